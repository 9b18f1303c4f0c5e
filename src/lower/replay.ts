/** `host.rotate`: what the host did between its projections and its scores. */
import type { AttentionHost } from "../anatomy/anatomy.ts";
import { fail } from "../diag/diagnostic.ts";
import { materialize } from "../ir/bytes.ts";
import type { Node, Value } from "../ir/graph.ts";
import { showShape, type TensorType } from "../ir/types.ts";
import { decodeElements } from "../onnx-ops/elements.ts";
import { ops } from "../onnx-ops/index.ts";
import { mayEqual, type Operand, readerOf } from "../onnx-ops/op.ts";
import { capture } from "./capture.ts";
import { asWire, cast, wire } from "./grow.ts";
import { fromLayout, layoutOf, shapeIn, toLayout } from "./head-layouts.ts";
import type { Host } from "./host.ts";
import { storedTensor } from "./inherit.ts";
import type { Ground } from "./placement.ts";
import { isSizeless, isStretch, meetsAllTokens } from "./sizeless.ts";
import type { Tensor } from "./values.ts";

/**
 * q and k, [B, heads, N, d], as the host would have turned them; as they are where it has no rotation,
 * or one for windows that says nothing of other tokens.
 */
export function rotate(ground: Ground, host: Host, q: Tensor, k: Tensor): [Tensor, Tensor] {
  const found = host.part?.host;
  const rotation = found?.kind === "attention" ? found.rotation : null;
  if (!rotation || found?.kind !== "attention") return [q, k];
  const elsewhere = !meetsAllTokens(found, rotation, host);
  if (elsewhere && !isSizeless(rotation)) return [q, k];
  host.used.rotation = true;
  const map = new Map<Value, Value>();
  const ways = [
    { x: q, heads: found.heads, ...rotation.q },
    { x: k, heads: found.kvHeads, ...rotation.k },
  ];
  for (const { x, heads, from, layout } of ways) {
    if (x.shape.length !== 4 || !mayEqual(x.shape[3]!, found.headDim)) {
      const wanted = `[B, heads, N, ${found.headDim}]`;
      throw fail("rotation-misfit", { wanted, got: showShape(x.shape) });
    }
    const size = { ...sizesOf(host), heads, features: found.headDim };
    const own = cast(ground, x, from.type?.dtype ?? x.dtype);
    map.set(from, asWire(ground, toLayout(ground, own, layoutOf(from, layout, size))).value);
  }
  const own = new Set(rotation.nodes);
  for (const node of rotation.nodes) {
    if (elsewhere && isStretch(node)) {
      map.set(node.outputs[0]!, map.get(node.inputs[0]!)!);
      continue;
    }
    for (const input of node.inputs) {
      if (!input || map.has(input) || (input.producer && own.has(input.producer))) continue;
      map.set(input, captured(ground, host, found, input));
    }
    replay(ground, node, map);
  }
  const [first, second] = ways.map(({ x, heads, to, layoutOut }) => {
    const value = map.get(to);
    if (!value) throw new Error(`the rotation of ${host.site} does not make ${to.name}`);
    const size = { ...sizesOf(host), heads, features: found.headDim };
    const layout = layoutOf(to, layoutOut, size);
    const shape = shapeIn(layout, x.shape);
    const turned = wire(ground, value, { dtype: to.type?.dtype ?? x.dtype, shape });
    return cast(ground, fromLayout(ground, turned, layout, x.shape), x.dtype);
  });
  return [first!, second!];
}

function sizesOf({ batch, tokens }: Host) {
  return { batch, tokens };
}

/** A value of the host, free of its projections. */
export function captured(ground: Ground, host: Host, found: AttentionHost, value: Value): Value {
  const maps = [found.q, found.k, found.v, found.qkv, found.out];
  const projections = new Set(maps.flatMap((linear) => [...(linear?.nodes ?? [])]));
  return capture(ground, value, host.part!.nodes, projections);
}

/**
 * A copy of a node on other inputs. Its types are what its rule says; without one they are the
 * original's where the inputs have the original's, and unknown otherwise.
 */
function replay(ground: Ground, node: Node, map: Map<Value, Value>): void {
  const inputs = node.inputs.map((input) => input && (map.get(input) ?? input));
  const types =
    node.domain === ""
      ? ops.get(node.opType)?.infer?.({
          inputs: inputs.map((input) => input && operandOf(input)),
          attributes: readerOf(node.attributes),
          opset: ground.opset,
          outputs: node.outputs.length,
        })
      : undefined;
  const alike = inputs.every((input, i) => sameType(input, node.inputs[i]!));
  ground.patch.clone([node], map);
  node.outputs.forEach((output, i) => {
    const copy = output && map.get(output);
    if (!copy) return;
    const known = alike ? output.type : (types?.[i] ?? null);
    const vague = output.type && {
      ...output.type,
      shape: output.type.shape?.map(() => null) ?? null,
    };
    copy.type = known ?? vague;
  });
}

function sameType(a: Value | null, b: Value | null): boolean {
  if (a === b) return true;
  return a?.type?.shape?.join() === b?.type?.shape?.join() && a?.type?.dtype === b?.type?.dtype;
}

function operandOf(value: Value): Operand {
  const type: TensorType = value.type ?? { dtype: "float32", shape: null };
  const stored = type.dtype === "int64" ? storedTensor(value) : null;
  const few = stored && stored.shape.length <= 1 && (stored.shape[0] ?? 1) <= 64;
  const ints = few ? [...decodeElements("int64", materialize(stored.data))] : undefined;
  return { ...type, ints };
}
