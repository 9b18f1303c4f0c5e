/** Where the branch of a part meets the stream again. */
import { sizesOnly } from "../../src/anatomy/flow.ts";
import type { Node, Value } from "../../src/ir/graph.ts";
import { comesApart } from "../../src/onnx-ops/skip-norms.ts";
import { sameShape } from "./shapes.ts";

export interface Junction {
  readonly add: Node;
  /** The operand that is not the branch. */
  readonly stream: Value;
  /** Position of the branch among the inputs. */
  readonly branch: number;
}

/**
 * The first sum behind `from` whose other operand is of full size and does not come from it: the
 * residual add, which may be fused with a norm, or the sum of parallel branches. null where the
 * branch is read in other ways too.
 */
export function junctionOf(from: Value, nodes: Iterable<Node>): Junction | null {
  const reached = new Set<Value>([from]);
  const passed = new Set<Node>();
  for (const node of nodes) {
    const mine = node.inputs.flatMap((value, i) => (value && reached.has(value) ? [i] : []));
    if (!mine.length) continue;
    const junction = junctionAt(node, mine);
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
    [...value.uses].every(({ node }) => node === add || passed.has(node)),
  );
}
