/**
 * An operator that makes a residual sum and the norm behind it becomes the two, where an edit needs one
 * without the other: optimizers fuse the last sum of a block with the first norm of the next.
 */
import { scopeOf } from "../src/anatomy/scopes.ts";
import type { Graph, Model, Node, Value } from "../src/ir/graph.ts";
import type { Oracle } from "../src/ir/oracle.ts";
import { sortTopologically } from "../src/ir/order.ts";
import { nodeValue, wire } from "../src/lower/grow.ts";
import { layerNorm, rmsNorm } from "../src/lower/norms.ts";
import { float } from "../src/onnx-ops/attributes.ts";
import { Patch } from "../src/onnx-ops/patch.ts";
import { createSizes } from "../src/onnx-ops/sizes.ts";
import {
  comesApart,
  skipNormBias,
  skipNormEpsilon,
  skipNorms,
} from "../src/onnx-ops/skip-norms.ts";
import { producersOf } from "../src/onnx-ops/sweep.ts";
import type { Plan, PlannedEdit, Site } from "../src/plan/plan.ts";
import { junctionOf } from "./graph/residual.ts";

/**
 * Before the first edit. Values must have types; new ones do.
 * @returns whether there was such an operator: anatomy and plan are then of a model that is no more.
 */
export function unfuse(model: Model, plan: Plan, oracle: Oracle): boolean {
  if (!model.graph.nodes.some(comesApart)) return false;
  // Junctions are looked for in order, which some converters do not keep.
  sortTopologically(model.graph);
  const needed = new Map<Node, readonly [PlannedEdit, Site]>();
  const taught = plan.recipes.some(({ stage }) => stage === "distill");
  for (const edit of plan.edits) {
    for (const site of edit.sites) {
      for (const node of fusedAt(edit.verb, site, model.graph, taught)) {
        if (!needed.has(node)) needed.set(node, [edit, site]);
      }
    }
  }
  for (const [node, [edit, site]] of needed) {
    const stamp = { edit: edit.place, site: site.label, operator: "unfuse" };
    const scope = scopeOf(node).join(".") || site.block.prefix;
    takeApart(node, new Patch(model.graph, stamp, scope), model, oracle);
  }
  return needed.size > 0;
}

/**
 * What has to come apart before an edit of this place.
 * @param taught what is replaced teaches what takes its place.
 */
function fusedAt(
  verb: PlannedEdit["verb"],
  { block, part }: Site,
  graph: Graph,
  taught: boolean,
): Node[] {
  if (!part) return [...block.fused];
  if (part.host.kind === "norm") return [...part.nodes].filter(comesApart);
  if (verb === "remove") {
    const nodes = graph.nodes.filter((node) => block.nodes.has(node));
    const sums = part.outputs.flatMap((output) => junctionOf(output, nodes)?.add ?? []);
    return sums.filter(comesApart);
  }
  // A teacher without the bias that the fused sum adds would teach something else.
  const readers = verb === "replace" && taught ? part.outputs.flatMap(({ uses }) => [...uses]) : [];
  return readers.map(({ node }) => node).filter((node) => comesApart(node) && skipNormBias(node));
}

function takeApart(node: Node, patch: Patch, model: Model, oracle: Oracle): void {
  const [normed, , , sum] = node.outputs;
  const total = sumOf(node, patch);
  patch.shunt(normed!, normOf(node, total, patch, model, oracle));
  if (sum) patch.shunt(sum, total);
  patch.commit();
}

/** Operators of norms, and since when ai.onnx has them; runtimes of models that use one earlier know it. */
const operators = {
  LayerNormalization: [["LayerNormalization", 17]],
  RMSNormalization: [
    ["RMSNormalization", 23],
    ["SimplifiedLayerNormalization", Number.POSITIVE_INFINITY],
  ],
} as const;

/** One operator where the model may have it, arithmetic elsewhere. */
function normOf(node: Node, sum: Value, patch: Patch, model: Model, oracle: Oracle): Value {
  const form = skipNorms[node.op]!;
  const opset = model.opsets.get("") ?? 1;
  const epsilon = node.float("epsilon") ?? skipNormEpsilon;
  const scale = node.inputs[form.scale]!;
  const shift = form.shift === null ? null : (node.inputs[form.shift] ?? null);
  const known = operators[form.norm].find(
    ([op, since]) => opset >= since || model.graph.nodes.some((other) => other.op === op),
  );
  if (known) {
    const attributes = { axis: -1, epsilon: float(epsilon) };
    const inputs = shift ? [sum, scale, shift] : [sum, scale];
    return patch.one(known[0], inputs, { attributes, types: [sum.type] });
  }
  const { dtype } = sum.type!;
  const ground = { model, patch, oracle, opset, dtype, sizes: createSizes(patch) };
  const [x, weight, bias] = [sum, scale, shift].map(
    (each) => each && wire(ground, each, each.type!),
  );
  const result =
    form.norm === "LayerNormalization"
      ? layerNorm(ground, x!, epsilon, weight!, bias ?? undefined)
      : rmsNorm(ground, x!, epsilon, weight!);
  return nodeValue(ground, result);
}

/** The bias is that of the branch: whoever looks at the sum finds a stream and a whole branch in it. */
function sumOf(node: Node, patch: Patch): Value {
  const [a, b] = node.inputs as [Value, Value];
  const add = (x: Value, y: Value, like: Value) => patch.one("Add", [x, y], { types: [like.type] });
  const bias = skipNormBias(node);
  const whole = node.outputs[0]!;
  if (!bias) return add(a, b, whole);
  return branchOf(a, b) === b ? add(a, add(b, bias, b), whole) : add(add(a, bias, a), b, whole);
}

/** Beside a branch that is part of the sum already, the other one comes from no part of it. */
function branchOf(a: Value, b: Value): Value {
  if (comesFrom(b, a)) return b;
  return comesFrom(a, b) || b.producer?.op === "Add" ? a : b;
}

/** Whether a branch leads from `origin`, or from what is made together with it, to `value`. */
function comesFrom(value: Value, origin: Value): boolean {
  const upstream = producersOf([value]);
  const reads = ({ inputs }: Node) => inputs.includes(origin);
  return origin.producer ? upstream.has(origin.producer) : [...upstream].some(reads);
}
