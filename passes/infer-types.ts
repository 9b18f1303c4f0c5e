import type { Model, Value } from "../src/ir/graph.ts";
import type { Oracle } from "../src/ir/oracle.ts";
import type { Dim, TensorType } from "../src/ir/types.ts";

/**
 * Sets `type` of every value of the main graph to what the runtime infers. A size that it cannot
 * tell keeps the file's word for it; where the two contradict each other the file is wrong.
 * Values that the runtime says nothing about keep the type they have.
 * @throws GraftError `types-refused` where the model does not fit together.
 */
export async function inferTypes(model: Model, oracle: Oracle): Promise<void> {
  const types = await oracle.inferTypes(model);
  for (const value of model.graph.values.values()) {
    const inferred = types.get(value.name);
    if (inferred) value.type = merged(inferred, value);
  }
}

function merged({ dtype, shape }: TensorType, { type }: Value): TensorType {
  const said = type?.shape;
  if (!said || type.dtype !== dtype) return { dtype, shape };
  if (!shape) return { dtype, shape: said };
  if (said.length !== shape.length) return { dtype, shape };
  if (shape.every((dim, axis) => dim === said[axis])) return type;
  const choose = (dim: Dim, axis: number) =>
    isNamed(dim) || !isNamed(said[axis]!) ? dim : said[axis]!;
  return { dtype, shape: shape.map(choose) };
}

/** Unlike `?3`, which says only which sizes are equal. */
function isNamed(dim: Dim): boolean {
  return typeof dim === "number" || (dim !== null && !/^\?\d+$/.test(dim));
}
