/** Where the branch of a part meets the stream again. */
import { sizesOnly } from "../../src/anatomy/flow.ts";
import type { Node, Use, Value } from "../../src/ir/graph.ts";
import { comesApart } from "../../src/onnx-ops/skip-norms.ts";
import { knownInts } from "./constants.ts";
import { sameShape } from "./shapes.ts";

export interface Junction {
  /** The sum, or the Concat that stacks its terms. */
  readonly add: Node;
  /** The operand that is not the branch; null of a stack, whose other terms are several. */
  readonly stream: Value | null;
  /** Position of the branch among the inputs. */
  readonly branch: number;
}

/**
 * The first sum behind `from` whose other operand is of full size and does not come from it: the
 * residual add, which may be fused with a norm, or the sum of parallel branches, which may be stacked
 * first. null where the branch is read in other ways too.
 */
export function junctionOf(from: Value, nodes: Iterable<Node>): Junction | null {
  const reached = new Set<Value>([from]);
  const passed = new Set<Node>();
  for (const node of nodes) {
    const mine = node.inputs.flatMap((value, i) => (value && reached.has(value) ? [i] : []));
    if (!mine.length) continue;
    const junction = junctionAt(node, mine) ?? stackAt(node, mine);
    if (junction) return leavesNothing(reached, passed, node) ? junction : null;
    if (joinsOthers(node, reached)) return null;
    passed.add(node);
    for (const output of node.outputs) if (output) reached.add(output);
  }
  return null;
}

function junctionAt(node: Node, branches: readonly number[]): Junction | null {
  const [branch] = branches;
  const takesAway = node.op === "Sub" && branch === 1;
  if (node.op !== "Add" && !takesAway && !comesApart(node)) return null;
  const stream = node.inputs[branch === 0 ? 1 : 0];
  if (branches.length !== 1 || branch! > 1 || !stream || stream.initializer) return null;
  return sameShape(stream, node.inputs[branch!]!) ? { add: node, stream, branch: branch! } : null;
}

/** A Concat that nothing reads but a sum along its axis. */
function stackAt(node: Node, branches: readonly number[]): Junction | null {
  if (node.op !== "Concat" || branches.length !== 1 || node.inputs.length < 2) return null;
  const stack = node.outputs[0]!;
  const [sum, ...others] = [...stack.uses].map((use) => use.node);
  const axes = sum?.op === "ReduceSum" && others.length === 0 ? sum.inputs[1] : null;
  const [axis, ...more] = (axes && knownInts(axes)) ?? [];
  const rank = stack.type?.shape?.length;
  if (typeof axis !== "number" || more.length > 0 || !rank) return null;
  const along = node.int("axis") ?? 0;
  if ((along + rank) % rank !== (axis + rank) % rank) return null;
  return { add: node, stream: null, branch: branches[0]! };
}

/** Beside the branch, or in its place, come values of others: what is added is not the branch's alone. */
function joinsOthers(node: Node, reached: ReadonlySet<Value>): boolean {
  const joined =
    node.op === "Concat" ? node.inputs : node.op === "Where" ? node.inputs.slice(1) : [];
  return joined.some((value) => value && !reached.has(value) && holdsData(value));
}

/** Whether it depends on more than sizes. */
function holdsData(value: Value): boolean {
  const seen = new Set<Value>();
  const open: (Value | null)[] = [value];
  while (open.length > 0) {
    const at = open.pop();
    if (!at || seen.has(at)) continue;
    seen.add(at);
    const { producer, initializer } = at;
    if (!producer && !initializer) return true;
    if (producer && !sizesOnly.has(producer.op)) open.push(...producer.inputs);
  }
  return false;
}

function leavesNothing(reached: Set<Value>, passed: ReadonlySet<Node>, add: Node): boolean {
  return [...reached].every((value) =>
    [...value.uses].every((use) => use.node === add || passed.has(use.node) || tellsType(use)),
  );
}

/** Whether no more than the type of what is read matters: a CastLike takes it, or an element of it. */
function tellsType(use: Use): boolean {
  const taken = ({ node, index }: Use) => node.op === "CastLike" && index === 1;
  const uses = use.node.outputs.flatMap((value) => (value ? [...value.uses] : []));
  return taken(use) || (use.node.op === "Slice" && uses.length > 0 && uses.every(taken));
}
