import { expect, test } from "vitest";
import type { LogRow } from "../../../runtime/train/log.ts";
import { drawLossChart } from "../../../runtime/train/loss-chart.ts";
import { curvesOf } from "../../../runtime/train/loss-curves.ts";

function row(stage: number, step: number, loss: number, sites?: Record<string, number>): LogRow {
  return { stage, step, loss, sites, grad_norm: 1, lr: 1e-3, seconds: 0.1 };
}

/** The lines of a chart, by their paths. */
function linesOf(svg: string): string[] {
  return [...svg.matchAll(/<g class="mark-line[^>]*><path [^>]*?d="(M[^"]*)"/g)].map(
    (match) => match[1]!,
  );
}

test("losses that fall by the same factor fall by the same height", async () => {
  const svg = await drawLossChart([row(1, 1, 1), row(1, 2, 0.1), row(1, 3, 0.01)], ["finetune"]);
  expect(linesOf(svg)).toEqual(["M0,0L320,150L640,300", "M0,0L320,150L640,300"]);
  expect(svg).toContain(">finetune</text>");
});

test("each site has its line, faint and smooth, and its place in the legend", async () => {
  const sites = ["blocks[1].attn", "blocks[3].mlp"];
  const rows = Array.from({ length: 50 }, (_, i) =>
    row(1, i + 1, 2, { [sites[0]!]: 1 / (i + 1), [sites[1]!]: 1 + (i % 2) }),
  );
  const svg = await drawLossChart([...rows, row(2, 1, 3), row(2, 2, 4)], ["distill", "finetune"]);
  for (const word of [...sites, "distill", "finetune"]) expect(svg).toContain(`>${word}</text>`);
  expect(linesOf(svg).length).toBe(2 * 2 + 2);
  expect(await drawLossChart([...rows, row(2, 1, 3), row(2, 2, 4)], ["distill", "finetune"])).toBe(
    svg,
  );
});

test("long runs become points that can be seen, and smooth lines do not lag", () => {
  const rows = Array.from({ length: 10_000 }, (_, i) =>
    row(1, i + 1, Math.exp(-i / 1000 + (i % 2 ? 0.1 : -0.1))),
  );
  const [curve] = curvesOf(rows);
  expect(curve!.raw.length).toBeLessThanOrEqual(800);
  expect(curve!.raw.at(-1)!.step).toBe(10_000);
  for (const { step, loss } of curve!.smooth) {
    expect(Math.abs(Math.log(loss) + step / 1000)).toBeLessThan(0.05);
  }
});

test("what has no logarithm is left out", async () => {
  const rows = [row(1, 1, 0), row(1, 2, 0.5), row(1, 3, Number.NaN), row(1, 4, 0.25)];
  expect(curvesOf(rows)[0]!.raw.map(({ step }) => step)).toEqual([2, 4]);
  for (const few of [[], rows.slice(0, 1), rows.slice(0, 2)]) {
    expect(await drawLossChart(few, [])).not.toContain("NaN");
  }
});
