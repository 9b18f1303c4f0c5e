/** Scores as GPT had them first, w b - 10,000 (1 - b): what is multiplied away is hidden as well. */
import { numbersOf, storedTensor } from "./constants.ts";
import type { Mask } from "./cores.ts";
import type { Wire } from "./flow.ts";
import { veryNegative } from "./masks.ts";
import { largestTable, uniform } from "./uniform.ts";

const passing = /^(Slice|Reshape|Unsqueeze|Squeeze|Expand|Identity|Transpose|Cast)$/;
const deepEnough = 12;

/** Whether a mask hides all that a gate of scores makes zero, and the gate leaves the rest alone. */
export function hidesGated({ wire, means }: Mask, gate: Wire): boolean {
  const isFar = (x: number) => (means === "subtract" ? -x : x) <= veryNegative;
  const [kept, added] = [tableOf(gate), tableOf(wire)];
  if (kept && kept.length === added?.length) {
    return kept.every((x, i) => x === 1 || (x === 0 && isFar(added[i]!)));
  }
  const hidden = uniform(wire, (at) => (at === gate ? 0 : undefined));
  return hidden !== null && isFar(hidden) && isBinary(gate);
}

function tableOf(wire: Wire) {
  const tensor = storedTensor(wire);
  return tensor && numbersOf(tensor, largestTable);
}

/** Zeros and ones. */
function isBinary(wire: Wire, depth = 0): boolean {
  if (wire.value?.type?.dtype === "bool") return true;
  const table = tableOf(wire);
  if (table) return table.every((x) => x === 0 || x === 1);
  const op = wire.from;
  const [first] = op?.inputs ?? [];
  if (!op || !first || depth > deepEnough) return false;
  return op.type === "Trilu"
    ? uniform(first) === 1
    : passing.test(op.type) && isBinary(first, depth + 1);
}
