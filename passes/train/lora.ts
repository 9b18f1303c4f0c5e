/**
 * Low-rank adapters: y + (alpha / rank) (x A^T) B^T beside every product that reads a linear
 * weight. Only A and B are trained; what else was to be trained stays as it is, and so do weights
 * that anything but products reads.
 */
import { fail } from "../../src/diag/diagnostic.ts";
import type { Span } from "../../src/diag/span.ts";
import { inMemory } from "../../src/ir/bytes.ts";
import type { Graph, Node, Value } from "../../src/ir/graph.ts";
import { drawn, stretchOf } from "../../src/lower/initialise.ts";
import { streamOf } from "../../src/lower/random.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
import type { Grower } from "../../src/onnx-ops/grower.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";
import { layoutsOf } from "../graph/state-dict.ts";
import type { Recipe } from "./recipe.ts";

type Layout = "in,out" | "out,in";

export interface Adapter {
  /** What it adapts, which is not trained itself. */
  readonly weight: Value;
  readonly layout: Layout;
  /** New weights, `<module>.lora_A.weight` [rank, in] and `<module>.lora_B.weight` [out, rank]. */
  readonly a: Value;
  readonly b: Value;
  readonly scale: number;
}

export interface AdaptRequest {
  readonly grower: Grower;
  /** What the recipe trains, by state_dict names. */
  readonly trained: readonly { readonly name: string; readonly value: Value }[];
  readonly lora: NonNullable<Recipe["lora"]>;
  readonly seed: number;
  /** Of the recipe. */
  readonly span: Span;
}

/**
 * Grows adapters for the linear weights among the trained ones, in their order.
 * @throws GraftError `nothing-to-adapt` where there is none.
 */
export function growAdapters({ grower, trained, lora, seed, span }: AdaptRequest): Adapter[] {
  const { graph } = grower.patch;
  const adapters = trained.flatMap(({ name, value }) => {
    const found = productsOf(value, graph);
    if (!found) return [];
    const module = name.replace(/\.weight$/, "");
    return grower.patch.within(module, () => {
      const factors = factorsOf(grower, module, value, found.layout, lora.rank, seed);
      const adapter = { weight: value, ...found, ...factors, scale: lora.alpha / lora.rank };
      for (const product of found.products) besideOf(grower, product, adapter);
      return [adapter];
    });
  });
  if (adapters.length > 0) return adapters;
  throw fail(
    "nothing-to-adapt",
    {},
    { at: span, hint: "leave `lora` out, or train linear layers" },
  );
}

/** W + (alpha / rank) B A in the weight's own layout, from elements of all three. */
export function mergedWeight(
  { layout, scale, a, b }: Adapter,
  weight: ArrayLike<number>,
  elementsOfA: ArrayLike<number>,
  elementsOfB: ArrayLike<number>,
): Float64Array {
  const [rank, inputs] = a.type!.shape as [number, number];
  const [outputs] = b.type!.shape as [number];
  const [rowStep, columnStep] = layout === "out,in" ? [inputs, 1] : [1, outputs];
  const merged = Float64Array.from(weight);
  for (let row = 0; row < outputs; row++) {
    for (let r = 0; r < rank; r++) {
      const factor = scale * elementsOfB[row * rank + r]!;
      for (let column = 0; column < inputs; column++) {
        merged[row * rowStep + column * columnStep]! += factor * elementsOfA[r * inputs + column]!;
      }
    }
  }
  return merged;
}

/** The products that read a matrix, all in one layout; null where anything else reads it. */
function productsOf(
  weight: Value,
  graph: Graph,
): { products: readonly Node[]; layout: Layout } | null {
  if (weight.type?.shape?.length !== 2 || graph.outputs.includes(weight)) return null;
  const products = readersOf(weight);
  const layouts = new Set(products.map((node) => layoutsOf([node]).get(weight)));
  const [layout] = layouts;
  if (!layout || layouts.size > 1 || !products.every((node) => plain(node, graph))) return null;
  return { products, layout };
}

/** Who reads it, through what turns or casts it. */
function readersOf(value: Value): Node[] {
  return [...value.uses].flatMap(({ node }) => {
    return /^(Transpose|Cast|Identity)$/.test(node.op) ? readersOf(node.outputs[0]!) : [node];
  });
}

/** Products whose output is one, without an activation behind it; bodies are left alone. */
function plain({ op, graph }: Node, main: Graph): boolean {
  return graph === main && /^(MatMul|Gemm|com\.microsoft::FusedMatMul)$/.test(op);
}

/** A is uniform of 1/sqrt(in), B zero: the function starts unchanged. */
function factorsOf(
  { patch }: Grower,
  module: string,
  { type }: Value,
  layout: Layout,
  rank: number,
  seed: number,
): Pick<Adapter, "a" | "b"> {
  const [first, second] = type!.shape as [number, number];
  const [outputs, inputs] = layout === "out,in" ? [first, second] : [second, first];
  const name = `${module}.lora_A.weight`;
  const bound = 1 / Math.sqrt(inputs);
  const uniform = drawn(streamOf(seed, name, 0), (p) => (2 * p - 1) * bound);
  const start = stretchOf(uniform, 0, rank * inputs);
  const stored = (values: ArrayLike<number>) => inMemory(encodeElements("float32", values));
  return {
    a: patch.weight(name, "float32", [rank, inputs], stored(start)),
    b: patch.weight(
      `${module}.lora_B.weight`,
      "float32",
      [outputs, rank],
      stored(new Float32Array(outputs * rank)),
    ),
  };
}

/** Whoever reads the product reads it with the adapter's share from now on. */
function besideOf(grower: Grower, product: Node, { a, b, scale }: Adapter): void {
  const y = grower.wire(product.outputs[0]!);
  const down = grower.wire(a).transpose();
  const up = grower.wire(b).transpose();
  const narrow = inputOf(grower, product).cast("float32").matmul(down);
  const share = narrow.mul(scale * (product.float("alpha") ?? 1)).matmul(up);
  grower.patch.shunt(y.value, y.add(share.cast(y.dtype)).value);
}

function inputOf(grower: Grower, product: Node): Wire {
  const x = grower.wire(product.inputs[0]!);
  return product.int("transA") === 1 ? x.transpose() : x;
}
