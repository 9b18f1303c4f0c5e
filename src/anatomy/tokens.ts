/** Which tokens of a branch's input meet in its attention, and on which axis they lie. */
import type { Constants } from "./constants.ts";
import type { Digit } from "./digits.ts";
import { sizeOf } from "./digits.ts";
import type { Wire } from "./flow.ts";
import { carry, identityLayout, isLayoutOp, type Layout } from "./layout.ts";
import type { Path } from "./path.ts";
import { regionBetween, segmentsOf } from "./region.ts";

/**
 * `all`: every token sees every other; `first`: the same, in values [N, B, D]; `some`: tokens are cut
 * into windows, rows or columns that stay apart; `unknown`: they are rearranged in another way.
 */
export type Meeting = "all" | "first" | "some" | "unknown";

export function meetingOf(x: Wire, path: Path, constants: Constants): Meeting {
  const before = layoutAt(path.map.x, x, constants);
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
  return rank === 3 && tokens.has(0) && !tokens.has(1) ? "first" : "all";
}

/** How a projection's input lies in the branch's input. */
function layoutAt(wire: Wire, x: Wire, constants: Constants): Layout | null {
  let layout = identityLayout(x);
  const region = wire === x ? null : regionBetween(x, wire);
  if (wire !== x && !region) return null;
  for (const { ops, to } of region ? segmentsOf(region) : []) {
    layout =
      layout && ops.length === 1 && isLayoutOp(ops[0]!)
        ? carry(layout, ops[0]!, to, constants)
        : null;
  }
  return layout;
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
