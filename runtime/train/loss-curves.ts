/** The lines of a chart of losses: not more points than can be seen, and their running means. */
import type { LogRow } from "./log.ts";

export interface Point {
  readonly step: number;
  readonly loss: number;
}

export interface Curve {
  /** The site, or `loss`. */
  readonly name: string;
  readonly raw: readonly Point[];
  readonly smooth: readonly Point[];
}

/** A chart's points are at most so many in all, and each line's. */
const pointsOfAll = 6000;
const pointsOfLine = 800;
/** The running mean of a point takes this many on both sides, as far as both sides have them. */
const reach = 20;

/** @param rows of one stage, in the order of its steps. */
export function curvesOf(rows: readonly LogRow[]): Curve[] {
  const sites = Object.keys(rows[0]?.sites ?? {});
  if (sites.length === 0) return [curveOf("loss", rows, pointsOfLine, (row) => row.loss)];
  const most = Math.min(pointsOfLine, Math.ceil(pointsOfAll / sites.length));
  return sites.map((site) => {
    return curveOf(site, rows, most, (row) => row.sites?.[site] ?? Number.NaN);
  });
}

function curveOf(
  name: string,
  rows: readonly LogRow[],
  most: number,
  value: (row: LogRow) => number,
): Curve {
  const points = rows.map((row) => ({ step: row.step, loss: value(row) }));
  // A logarithm has no place for what is 0, nor a chart for what is not finite.
  const sound = points.filter(({ loss }) => loss > 0 && Number.isFinite(loss));
  const raw = thinned(sound, Math.ceil(sound.length / most));
  return { name, raw, smooth: smoothed(raw) };
}

/** Neighbours become one point at the last of their steps: the mean of their losses. */
function thinned(points: readonly Point[], group: number): Point[] {
  const out: Point[] = [];
  for (let at = 0; at < points.length; at += group) {
    const some = points.slice(at, at + group);
    out.push({ step: some.at(-1)!.step, loss: mean(some) });
  }
  return out;
}

function mean(points: readonly Point[]): number {
  return points.reduce((sum, { loss }) => sum + loss, 0) / points.length;
}

/** The running geometric mean, for losses differ by factors. Symmetric, so that it never lags. */
function smoothed(points: readonly Point[]): Point[] {
  const sums = [0];
  for (const { loss } of points) sums.push(sums.at(-1)! + Math.log(loss));
  return points.map(({ step }, i) => {
    const side = Math.min(reach, i, points.length - 1 - i);
    const [from, to] = [i - side, i + side + 1];
    return { step, loss: Math.exp((sums[to]! - sums[from]!) / (to - from)) };
  });
}
