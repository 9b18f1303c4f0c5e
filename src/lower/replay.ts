/** `host.rotate` and `host.mask`: what the host did between its projections and its softmax. */
import type { AttentionHost, HeadLayout, Rotation } from "../anatomy/anatomy.ts";
import { fail } from "../diag/diagnostic.ts";
import { materialize } from "../ir/bytes.ts";
import type { Node, Value } from "../ir/graph.ts";
import { showShape, type TensorType } from "../ir/types.ts";
import { decodeElements } from "../onnx-ops/elements.ts";
import { ops } from "../onnx-ops/index.ts";
import { mayEqual, type Operand, readerOf } from "../onnx-ops/op.ts";
import { binary, where } from "./arithmetic.ts";
import { capture } from "./capture.ts";
import { asWire, cast, wire } from "./grow.ts";
import type { Host } from "./host.ts";
import { storedTensor } from "./inherit.ts";
import { library } from "./library.ts";
import { reshape, swapAxes } from "./movement.ts";
import type { Ground } from "./placement.ts";
import type { Tensor, Wire } from "./values.ts";

/** Stands for minus infinity: finite, and below all scores in every float type. */
const masked = -1e4;

/** q and k, [B, heads, N, d], as the host would have turned them. */
export function rotate(ground: Ground, host: Host, q: Tensor, k: Tensor): [Tensor, Tensor] {
  host.used.rotation = true;
  const found = host.part?.host;
  const rotation = found?.kind === "attention" ? found.rotation : null;
  if (!rotation || found?.kind !== "attention") return [q, k];
  const map = new Map<Value, Value>();
  const [first, second] = [enter(ground, found, rotation, q), enter(ground, found, rotation, k)];
  map.set(rotation.q.from, first.value).set(rotation.k.from, second.value);
  const own = new Set(rotation.nodes);
  for (const node of rotation.nodes) {
    for (const input of node.inputs) {
      if (!input || map.has(input) || (input.producer && own.has(input.producer))) continue;
      map.set(input, captured(ground, host, found, input));
    }
    replay(ground, node, map);
  }
  const leave = (to: Value, like: Tensor) => {
    const value = map.get(to);
    if (!value) throw new Error(`the rotation of ${host.site} does not make ${to.name}`);
    return left(ground, rotation.layoutOut, wire(ground, value, value.type!), like);
  };
  return [leave(rotation.q.to, q), leave(rotation.k.to, k)];
}

/** From [B, heads, N, d] to the layout in which the rotation takes it. */
function enter(ground: Ground, host: AttentionHost, { layout }: Rotation, x: Tensor): Wire {
  if (x.shape.length !== 4 || !mayEqual(x.shape[3]!, host.headDim)) {
    const wanted = `[B, heads, N, ${host.headDim}]`;
    throw fail("rotation-misfit", { wanted, got: showShape(x.shape) });
  }
  if (layout === "B,H,N,d") return asWire(ground, x);
  if (layout === "B,N,H,d") return asWire(ground, swapAxes(ground, x, 1, 2));
  return asWire(ground, library.get("merge_heads")!.call(ground, [x]) as Tensor);
}

function left(ground: Ground, layout: HeadLayout, x: Tensor, like: Tensor): Tensor {
  if (layout === "B,H,N,d") return x;
  const [b, h, n, d] = like.shape as [number, number, number, number];
  const split = layout === "B,N,HD" ? reshape(ground, x, [b, n, h, d]) : x;
  return swapAxes(ground, split, 1, 2);
}

function captured(ground: Ground, host: Host, found: AttentionHost, value: Value): Value {
  const maps = [found.q, found.k, found.v, found.qkv, found.out];
  const projections = new Set(maps.flatMap((linear) => [...(linear?.nodes ?? [])]));
  return capture(ground, value, host.part!.nodes, projections);
}

/** A copy of a node on other inputs, typed by its rule, or as the original is. */
function replay(ground: Ground, node: Node, map: Map<Value, Value>): void {
  const inputs = node.inputs.map((input) => input && (map.get(input) ?? input));
  const types =
    node.domain === ""
      ? ops.get(node.opType)?.infer({
          inputs: inputs.map((input) => input && operandOf(input)),
          attributes: readerOf(node.attributes),
          opset: ground.opset,
          outputs: node.outputs.length,
        })
      : undefined;
  ground.patch.clone([node], map);
  node.outputs.forEach((output, i) => {
    const copy = output && map.get(output);
    if (copy) copy.type = types?.[i] ?? output.type;
  });
}

function operandOf(value: Value): Operand {
  const type: TensorType = value.type ?? { dtype: "float32", shape: null };
  const stored = type.dtype === "int64" ? storedTensor(value) : null;
  const few = stored && stored.shape.length <= 1 && (stored.shape[0] ?? 1) <= 64;
  const ints = few ? [...decodeElements("int64", materialize(stored.data))] : undefined;
  return { ...type, ints };
}

/** What the host adds to its scores, in the type of `x`; 0 where it adds nothing. */
export function mask(ground: Ground, host: Host): Tensor | number {
  host.used.mask = true;
  const found = host.part?.host;
  if (found?.kind !== "attention") return 0;
  const terms = [
    ...(found.mask
      ? [{ value: found.mask, means: found.maskIsBool ? found.maskMeans : ("add" as const) }]
      : []),
    ...found.moreMasks,
  ].map(({ value, means }) => {
    const own = captured(ground, host, found, value);
    const tensor = wire(ground, own, value.type ?? { dtype: ground.dtype, shape: null });
    if (means === "add") return cast(ground, tensor, ground.dtype);
    const [yes, no] = means === "keep" ? [0, masked] : [masked, 0];
    return where(ground, cast(ground, tensor, "bool"), yes, no);
  });
  if (found.causal) terms.push(causal(ground, host));
  return terms.length ? terms.reduce((a, b) => binary(ground, "+", a, b) as Tensor) : 0;
}

function causal(ground: Ground, host: Host): Tensor {
  const seen = library.get("tril")!.call(ground, [host.tokens, 0]) as Tensor;
  return where(ground, seen, 0, masked);
}
