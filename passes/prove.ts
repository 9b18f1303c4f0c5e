/** What is checked before anything is written. */
import { fail } from "../src/diag/diagnostic.ts";
import type { Model, Value } from "../src/ir/graph.ts";
import { type Dim, showType, type TensorType } from "../src/ir/types.ts";
import { verify } from "./verify.ts";

/** The face of a model: what programs that use it rely on. */
export interface Signature {
  readonly inputs: readonly (readonly [name: string, type: TensorType | null])[];
  readonly outputs: readonly (readonly [name: string, type: TensorType | null])[];
}

export function signatureOf({ graph }: Model): Signature {
  // A weight listed among the inputs has a default there; it is no face of the model.
  const face = (values: readonly Value[]) =>
    values.filter((value) => !value.initializer).map(({ name, type }) => [name, type] as const);
  return { inputs: face(graph.inputs), outputs: face(graph.outputs) };
}

/**
 * Graph invariants, and inputs and outputs as they were. Types must have been inferred anew: that
 * every shape fits is the runtime's word (`types-refused`).
 * @throws GraftError `signature-changed` for an output whose type an edit changed; Error for a
 * broken graph, which would be our own mistake.
 */
export function prove(model: Model, before: Signature): void {
  verify(model);
  const after = signatureOf(model);
  for (const side of ["inputs", "outputs"] as const) {
    before[side].forEach(([name, type], i) => {
      const [nameNow, typeNow] = after[side][i] ?? ["", null];
      if (nameNow !== name) throw new Error(`${side} lost ${name}`);
      if (!type || !typeNow || fits(type, typeNow)) return;
      throw fail("signature-changed", {
        side: side.slice(0, -1),
        name,
        before: showType(type),
        after: showType(typeNow),
      });
    });
  }
}

function fits(before: TensorType, after: TensorType): boolean {
  if (before.dtype !== after.dtype) return false;
  if (!before.shape || !after.shape) return true;
  const same = (a: Dim, b: Dim) => a === b || typeof a !== "number" || typeof b !== "number";
  return (
    before.shape.length === after.shape.length &&
    before.shape.every((dim, axis) => same(dim, after.shape![axis]!))
  );
}
