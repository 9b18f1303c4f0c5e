/**
 * Products of many rows with one matrix, in blocks of rows. ONNX Runtime makes one product of all
 * rows, and goes over them once for each 128 x 128 tile of the matrix: of rows beyond the reach of a
 * second-level cache and its page table that costs an eighth. A matrix with more axes than the rows
 * have keeps the blocks apart.
 */
import type { Model, Node } from "../../src/ir/graph.ts";
import { isStatic } from "../../src/ir/types.ts";
import { readerOf } from "../../src/onnx-ops/op.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";
import { growerOf } from "./grower-of.ts";

/** Rows of a block. */
const [fewest, most] = [192, 576] as const;

/** What a row has to be worth: of shorter ones a reshape more is not repaid. */
const leastWork = 128 * 128;

export function blockProducts(model: Model): void {
  const grower = growerOf(model, "blocks");
  for (const node of model.graph.nodes) {
    const product = productOf(node);
    if (!product) continue;
    const [a, b] = node.inputs.slice(0, 2).map((value) => grower.wire(value!)) as [Wire, Wire];
    const rows = a.shape.slice(0, -1);
    if (b.rank !== 2 || a.rank < 2 || !isStatic(a.shape) || !isStatic(b.shape)) continue;
    const block = blockOf(rows.reduce<number>((n, dim) => n * Number(dim), 1));
    if (!block || b.count! < leastWork) continue;
    const blocks = a.reshape([-1, block, a.shape.at(-1)!]);
    const matrix = b.reshape([1, 1, ...b.shape]);
    const columns = b.shape[product.transB ? 0 : 1]!;
    const whole = blocks.matmul(matrix, product).reshape([...rows, columns]);
    const bias = node.inputs[2];
    grower.patch.shunt(node.outputs[0]!, (bias ? whole.add(grower.wire(bias)) : whole).value);
  }
  grower.patch.commit();
}

/** How a node multiplies rows as they lie with a matrix; null for whatever else it does. */
function productOf(node: Node): { transB: boolean; alpha: number } | null {
  if (!["MatMul", "Gemm", "com.microsoft::FusedMatMul"].includes(node.op)) return null;
  const attributes = readerOf(node.attributes);
  const flags = ["transA", "transBatchA", "transBatchB"];
  if (flags.some((flag) => attributes.int(flag)) || (attributes.float("beta") ?? 1) !== 1) {
    return null;
  }
  return { transB: Boolean(attributes.int("transB")), alpha: attributes.float("alpha") ?? 1 };
}

/** The most rows that divide all of them; null where they are few, or divide badly. */
function blockOf(rows: number): number | null {
  if (rows <= most) return null;
  for (let block = most; block >= fewest; block--) if (rows % block === 0) return block;
  return null;
}
