/**
 * Rotations of hosts whose tokens attend in another arrangement (windows): what such a host does to
 * each token's queries and keys by itself holds for any tokens, tables of positions hold for its own.
 */
import type { AttentionHost, Rotation } from "../anatomy/anatomy.ts";
import type { Node, Value } from "../ir/graph.ts";
import type { Host } from "./host.ts";

/** What computes on the last axis or on each element, and broadcasts. */
const alone =
  /^(Reduce(L2|Mean|Sum|SumSquare)|Lp?Normalization|(Layer|RMS|SimplifiedLayer)Normalization|Clip|Max|Min|Abs|Add|Sub|Mul|Div|Sqrt|Reciprocal|Pow|Cast|Identity|Transpose)$/;
const broadcasting = /^(Add|Sub|Mul|Div)$/;

/** Whether the queries and keys of the host are arranged as those of all its tokens are. */
export function meetsAllTokens({ opaque }: AttentionHost, rotation: Rotation, host: Host): boolean {
  const { from, layout } = rotation.q;
  const tokens = from.type?.shape?.[tokenAxis[layout]];
  return opaque === null || tokens == null || String(tokens) === String(host.tokens);
}

const tokenAxis = { "B,N,HD": 1, "B,N,H,d": 1, "B,H,N,d": 2, "B,H,d,N": 3, "BH,N,d": 1 } as const;

/** Whether it treats each token by itself, so that other tokens can be given to it. */
export function isSizeless({ nodes, q, k }: Rotation): boolean {
  const own = new Set(nodes);
  const inside = (value: Value) =>
    value === q.from || value === k.from || (value.producer !== null && own.has(value.producer));
  return nodes.every((node) => {
    if (node.outputs[0]?.type?.dtype === "int64" || isStretch(node)) return true;
    if (node.opType === "Expand") return inside(node.inputs[1]!);
    const others = node.inputs.filter((input) => input !== null && !inside(input));
    return alone.test(node.opType) && others.every((input) => isSame(input!));
  });
}

/** An Expand whose readers would broadcast what enters it to the same sizes. */
export function isStretch({ opType, outputs }: Node): boolean {
  if (opType !== "Expand") return false;
  const [stretched] = outputs;
  return [...stretched!.uses].every(({ node, index }) => {
    const other = node.inputs[1 - index]?.type?.shape;
    const shape = stretched!.type?.shape;
    return broadcasting.test(node.opType) && other && shape && other.join() === shape.join();
  });
}

/** One for all tokens: it has none of their axis, or one place on it. */
function isSame({ type }: Value): boolean {
  const shape = type?.shape;
  return shape != null && (shape.length < 2 || shape.slice(0, -1).every((dim) => dim === 1));
}
