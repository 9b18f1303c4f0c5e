/** Element types that an operator takes: the schema's word, asked before a node is grown. */
import { fail } from "../diag/diagnostic.ts";
import { type DType, dtypes } from "../ir/types.ts";
import { type Schema, schemaOf } from "../onnx-ops/schemas.ts";
import { show, type Tensor } from "./values.ts";

/**
 * @param op of ai.onnx, whose rule counts for tensors known at compile time as well.
 * @param name what the language calls it.
 * @throws GraftError `types-do-not-meet` where the operator takes other element types.
 */
export function checkKinds(
  op: string,
  opset: number,
  inputs: readonly (Tensor | null)[],
  name = op,
): void {
  const { schema } = schemaOf(op, opset);
  if (!schema) return;
  const variables = new Map<string, DType>();
  for (const [i, input] of inputs.entries()) {
    const type = (schema.inputs[i] ?? schema.inputs.at(-1))?.type;
    if (!input || type === undefined) continue;
    const first = variables.get(type) ?? input.dtype;
    if (first === input.dtype && takes(schema, type, input.dtype)) variables.set(type, first);
    else throw misfit(name, inputs, schema.variables.get(type) ?? "i");
  }
}

function takes({ variables }: Schema, type: string, dtype: DType): boolean {
  const kinds = variables.get(type);
  return kinds === undefined ? !(type in dtypes) || type === dtype : kinds.includes(kindOf(dtype));
}

function kindOf(dtype: DType): string {
  if (dtypes[dtype].float) return "f";
  if (dtype === "bool" || dtype === "string") return dtype[0]!;
  return dtype.includes("int") ? "i" : "o";
}

/** What makes an operand of the first kind that is taken. */
const ways = [
  ["f", "`float(...)` is the type of `x`"],
  ["i", "`int(...)` makes whole numbers"],
  ["b", "a comparison gives truths: `x > 0`"],
] as const;

function misfit(op: string, inputs: readonly (Tensor | null)[], kinds: string) {
  const types = inputs.filter((input) => input !== null).map(show);
  const hint = ways.find(([kind]) => kinds.includes(kind))?.[1] ?? null;
  return fail("types-do-not-meet", { op, types: types.join(" and ") }, { hint });
}
