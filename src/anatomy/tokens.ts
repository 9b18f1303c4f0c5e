/** Which tokens of a branch's input meet in its attention, and on which axis they lie. */

import { multiplyDims } from "../onnx-ops/dims.ts";
import type { Constants } from "./constants.ts";
import type { Digit } from "./digits.ts";
import { sizeOf } from "./digits.ts";
import type { Op, Wire } from "./flow.ts";
import { carry, identityLayout, isLayoutOp, type Layout } from "./layout.ts";
import type { Path } from "./path.ts";
import { type Region, regionBetween, type Segment, segmentsOf } from "./region.ts";

/**
 * `all`: every token sees every other; `first`: the same, in values [N, B, D]; `alone`: the same, in
 * values [N, D] of one sample; `some`: tokens are cut into windows, rows or columns that stay apart; `joined`: other tokens join them before they are
 * projected; `part`: only some of them are (queries of a class token); `changed`: their values are (positions are added, a convolution shortens them);
 * `unknown`: they are rearranged in another way.
 */
export type Meeting =
  | "all"
  | "first"
  | "alone"
  | "some"
  | "part"
  | "joined"
  | "changed"
  | "unknown";

export function meetingOf(x: Wire, path: Path, constants: Constants): Meeting {
  const region = path.map.x === x ? null : regionBetween(x, path.map.x);
  if (region && joinsOthers(region)) return "joined";
  if (region?.ops.some((op) => !isLayoutOp(op) && !shifts.has(op.type))) return "changed";
  const before = path.map.x === x ? identityLayout(x) : region && layoutAt(region, constants);
  const { layout, features } = path;
  if (!before) return "unknown";
  const originsOf = (digits: readonly Digit[]) =>
    digits.flatMap((digit) =>
      digit.axis === features || digit.axis < 0
        ? []
        : composed(digit, before.axes[digit.axis] ?? []),
    );
  const tokens = new Set(originsOf(layout.axes.at(-2) ?? []));
  const apart = new Set(layout.axes.slice(0, -2).flatMap((digits) => originsOf(digits)));
  const rank = identityLayout(x)?.axes.length ?? 3;
  if (rank === 3 && apart.has(1) && tokens.has(1)) return "some";
  if (rank === 4 && (apart.has(1) || apart.has(2))) return "some";
  const count = rank === 3 || rank === 4 ? recounted(x, before) : null;
  if (count) return count;
  if (region?.ops.some(joinsFeatures)) return "changed";
  if (rank === 3) return tokens.has(0) && !tokens.has(1) ? "first" : "all";
  return rank === 2 && tokens.has(0) && !apart.has(0) ? "alone" : "all";
}

export const shifts = new Set(["Slice", "Split", "Concat", "Pad"]);

/** Only some of the tokens are left, or others fill their number up. */
function recounted(x: Wire, { axes }: Layout): "part" | "joined" | null {
  const places = x.value?.type?.shape?.slice(1, -1);
  const whole = places?.reduce((a, b) => multiplyDims(a, b), 1);
  const left = sizeOf(axes.flat().filter(({ axis }) => axis > 0 && axis <= places!.length));
  if (typeof whole !== "number" || typeof left !== "number" || left === whole) return null;
  return left < whole ? "part" : "joined";
}

function joinsOthers({ from, ops, has }: Region): boolean {
  return ops.some(
    ({ type, data }) =>
      type === "Concat" && data.some((wire) => wire !== from && !(wire.from && has.has(wire.from))),
  );
}

/** Features of different tokens come together: some of them were moved along the sequence. */
function joinsFeatures(op: Op): boolean {
  const rank = op.outputs[0]?.value?.type?.shape?.length;
  const axis = op.node.int("axis") ?? 0;
  return op.type === "Concat" && (axis === -1 || axis + 1 === rank);
}

/** How the end of a region lies in its start. */
function layoutAt(region: Region, constants: Constants): Layout | null {
  let layout = identityLayout(region.from);
  for (const segment of segmentsOf(region)) {
    const [op, ...more] = segment.ops;
    if (!layout) return null;
    layout =
      more.length === 0 && isLayoutOp(op!)
        ? (carry(layout, op!, segment.to, constants) ?? shifted(layout, segment))
        : shifted(layout, segment);
  }
  return layout;
}

/** Rolled, padded or cropped: the elements stay on their axes. */
function shifted({ axes, offsets }: Layout, { ops, to }: Segment): Layout | null {
  const shape = to.value?.type?.shape;
  if (shape?.length !== axes.length || !ops.every((op) => shifts.has(op.type))) return null;
  const moved = axes.map((digits, i) => {
    const [digit, ...more] = digits;
    if (sizeOf(digits) === shape[i]) return digits;
    return digit && more.length === 0 ? [{ ...digit, size: shape[i]! }] : null;
  });
  return moved.every((digits) => digits !== null) ? { axes: moved, offsets } : null;
}

/** Axes of the origin that a digit of an axis counts, where that axis has digits of its own. */
function composed(digit: Digit, digits: readonly Digit[]): number[] {
  const all = digits.map(({ axis }) => axis);
  if (digits.length < 2) return all;
  for (const [i, candidate] of digits.entries()) {
    const stride = sizeOf(digits.slice(i + 1));
    if (candidate.size === digit.size && stride === digit.stride) return [candidate.axis];
  }
  return all;
}
