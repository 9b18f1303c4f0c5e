/** Sums at some tokens of a stream: x[chosen] += f(x[chosen]), as indices and masks write it. */
import type { Op, Wire } from "./flow.ts";

export interface ChosenSum {
  /** The stream on entry. */
  readonly x: Wire;
  /** What is added at the chosen tokens. */
  readonly term: Wire;
  /** The sum of both there, before it is put in its place. */
  readonly sum: Op;
}

const scatters = new Set(["ScatterND", "ScatterElements"]);
const gathers = new Set(["GatherND", "GatherElements", "Gather"]);
/** Exporters fit what is put in a place to the size of that. */
const fits = new Set(["Reshape", "Expand", "Slice", "Cast", "Identity"]);

export function chosenSum(op: Op): ChosenSum | null {
  const [x, , updates] = op.inputs;
  if (!scatters.has(op.type) || !x || !updates) return null;
  const sum = behind(updates).from;
  if (sum?.type !== "Add" || sum.data.length !== 2) return null;
  const kept = sum.data.find(({ from }) => from && gathers.has(from.type) && from.inputs[0] === x);
  const term = kept && sum.data.find((wire) => wire !== kept);
  return term ? { x, term, sum } : null;
}

/** Whether a run of operations begins with chosen tokens, and ends in no more than those. */
export function takesSome({ x, y, ops }: { x: Wire; y: Wire; ops: readonly Op[] }): boolean {
  const rankOf = (wire: Wire) => wire.value?.type?.shape?.length ?? 3;
  return rankOf(x) !== rankOf(y) && ops.some(({ type }) => gathers.has(type));
}

function behind(wire: Wire): Wire {
  let at = wire;
  for (let op = at.from; op && fits.has(op.type); op = at.from) {
    const source = op.data.length > 0 ? op.inputs[0] : null;
    if (!source) break;
    at = source;
  }
  return at;
}
