/** MODEL first, then EDITS. */
import { fail } from "../diag/diagnostic.ts";

const isEdits = (word: string) => word.endsWith(".graft");

/** @throws GraftError `arguments-swapped` where the first of the words is edits. */
export function checkOrder(command: string, model: string, edits: readonly string[]): void {
  if (!isEdits(model)) return;
  const found = edits.find((word) => !isEdits(word));
  const rest = [model, ...edits].filter((word) => word !== found);
  const right = [command, found ?? "MODEL.onnx", ...rest].join(" ");
  const hint = `the model comes first: \`${right} ...\``;
  throw fail("arguments-swapped", { path: model }, { hint });
}
