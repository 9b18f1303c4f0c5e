/** `repeat SEL times n`: copies of a block right behind it, which start as the identity. */
import type { Block, Part } from "../src/anatomy/anatomy.ts";
import { graftOf } from "../src/anatomy/index.ts";
import { scopeOf } from "../src/anatomy/scopes.ts";
import { fail } from "../src/diag/diagnostic.ts";
import { type Bytes, lengthOf } from "../src/ir/bytes.ts";
import type { Node, Value } from "../src/ir/graph.ts";
import type { Layout } from "../src/lower/index.ts";
import type { Patch, Stamp } from "../src/onnx-ops/patch.ts";
import { storedTensor } from "../src/onnx-ops/stored.ts";
import type { PlannedEdit, Site } from "../src/plan/plan.ts";
import { sameType } from "./graph/casts.ts";
import { preparesConstants } from "./graph/constants.ts";
import { copiedName, rescoped, weightsOf } from "./graph/copies.ts";
import { freeName } from "./graph/free-name.ts";
import { sameShape } from "./graph/shapes.ts";
import { type Fate, fateOf, silencers } from "./graph/silence.ts";
import { layoutsOf } from "./graph/state-dict.ts";
import { commit, nodesOf, now, partNow, patchFor, type Session } from "./session.ts";

type Repeat = Extract<PlannedEdit, { verb: "repeat" }>;

/**
 * Every weight of a copy is an initializer of its own: the same bytes, or zero for weight and bias of
 * the projection that a branch ends in. Gates and modulation stay as they are, or nothing would learn.
 * @returns whether the function stays the same.
 * Warns `not-identity` where that does not make the copy an identity, as behind a post-norm.
 */
export function repeat(edit: Repeat, site: Site, session: Session): boolean {
  const { block, label } = site;
  const refuse = (reason: string) =>
    fail("cannot-repeat", { label, reason }, { at: edit.statement.target.span });
  const kept = [...block.parts.values()].flatMap(({ keeps }) => keeps ?? [])[0];
  if (kept) throw refuse(`it keeps ${kept} of earlier calls, and a copy would need its own`);
  const plan = planCopy(block, session);
  if (plan.streams.some(([from, to]) => !sameShape(from, to))) {
    throw refuse("what leaves it has another shape than what enters it");
  }
  const fate = fateOf(plan.nodes, plan.zeros, plan.streams);
  const identity = edit.times === 1 || fate.identity;
  if (!identity) {
    const reason = whyNot(block, plan, fate, session);
    session.reporter.report("not-identity", { label, reason }, { at: edit.statement.target.span });
  }
  const scope = block.prefix;
  const patch = patchFor(session, edit, site, scope);
  const originals = layoutsOf(plan.nodes);
  const layouts = new Map<string, Layout>();
  let ends = plan.streams.map(([, output]) => output);
  for (let copy = 1; copy < edit.times; copy++) {
    const copies = grow(patch, plan, ends, scope, `copy${copy}`);
    ends = plan.streams.map(([, output]) => copies.get(output)!);
    for (const [weight, layout] of originals) {
      const copied = copies.get(weight);
      if (copied) layouts.set(copied.name, layout);
    }
  }
  plan.streams.forEach(([, output], i) => {
    if (ends[i] !== output) patch.shunt(output, ends[i]!);
  });
  commit(session, patch, site, layouts);
  return identity;
}

/** What keeps copies from being the identity, for people. */
function whyNot(block: Block, { nodes }: CopyPlan, fate: Fate, session: Session): string {
  if (block.style === "post-norm") return "it norms the stream behind a branch (post-norm)";
  if (fate.clamped) return "it clamps the stream to bounds that what enters may exceed";
  const entry = now(session, block.input);
  const stream = entry.type?.shape?.join();
  const inside = new Set(nodes);
  const joined = nodes.some((node) =>
    node.inputs.some(
      (value) =>
        value?.producer &&
        value !== entry &&
        !inside.has(value.producer) &&
        value.type?.shape?.join() === stream,
    ),
  );
  if (joined) return "it joins another stream to its own (a long skip)";
  return endsOf(block, session).every((end) => silencers(end).length > 0)
    ? "it changes the stream beside its branches"
    : "not every branch of it ends in a projection that can be zero";
}

/** Where its branches end. */
function endsOf(block: Block, session: Session): readonly Value[] {
  return [...block.parts.values()]
    .filter((part) => part.host.kind !== "norm")
    .flatMap((part: Part) => partNow(session, part).outputs);
}

interface CopyPlan {
  /** In graph order: what depends on a stream or on a copied weight. */
  readonly nodes: readonly Node[];
  readonly weights: readonly Value[];
  readonly zeros: ReadonlySet<Value>;
  /** What enters and what leaves: the residual stream, and the second one of joint blocks. */
  readonly streams: readonly (readonly [Value, Value])[];
}

function planCopy(block: Block, session: Session): CopyPlan {
  const { graph } = session.model;
  const within = nodesOf(session, block);
  const candidates = graph.nodes.filter((node) => within.has(node) || feeds(node, within));
  const weights = weightsOf(candidates);
  const zeros = new Set(endsOf(block, session).flatMap(silencers));
  const streams: (readonly [Value, Value])[] = [
    [now(session, block.input), now(session, block.output)],
  ];
  const { context } = block;
  if (context?.output) streams.push([now(session, context.input), now(session, context.output)]);
  const moved = new Set<Value>([...weights, ...zeros, ...streams.map(([input]) => input)]);
  const nodes = candidates.filter((node) => {
    const depends = node.inputs.some((value) => value && moved.has(value));
    if (depends) for (const value of node.outputs) if (value) moved.add(value);
    return depends;
  });
  return { nodes, weights: [...new Set([...weights, ...zeros])], zeros, streams };
}

/** Nodes that turn or cast a weight for one of these and need not be counted among them. */
function feeds(node: Node, within: ReadonlySet<Node>): boolean {
  const isRead = node.outputs.some(
    (value) => value && [...value.uses].some((use) => within.has(use.node)),
  );
  return isRead && node.inputs.length > 0 && preparesConstants(node);
}

/** One copy behind `inputs`; tells what stands for each value of the original. */
function grow(
  patch: Patch,
  plan: CopyPlan,
  inputs: readonly Value[],
  scope: string,
  step: string,
): ReadonlyMap<Value, Value> {
  const map = new Map<Value, Value>(
    plan.streams.map(([input], i) => [input, sameType(patch, inputs[i]!, input)]),
  );
  for (const weight of plan.weights) {
    const tensor = storedTensor(weight)!;
    const name = freeName(patch, copiedName(weight, scope, step));
    const data = plan.zeros.has(weight) ? zeros(lengthOf(tensor.data)) : tensor.data;
    map.set(weight, patch.weight(name, tensor.dtype, tensor.shape, data));
  }
  for (const node of plan.nodes) {
    const inner = scopeOf(node).join(".");
    const rest = inner.startsWith(`${scope}.`) ? inner.slice(scope.length) : "";
    const propertiesOf = (node: Node) => [
      ...rescoped(node, scope, step),
      ...graftKept(node, patch.stamp!, step),
    ];
    patch.within(`${step}${rest}`, () => patch.clone([node], map, { propertiesOf }));
  }
  return map;
}

/** A copy of a grafted part says which part it is, as the original does. */
function graftKept(node: Node, { site }: Stamp, step: string): [key: string, text: string][] {
  const graft = graftOf(node);
  if (!graft?.part) return [];
  return [
    ["graftc.operator", graft.operator],
    ["graftc.site", `${site}.${step}.${graft.part}`],
  ];
}

function zeros(length: number): Bytes {
  return { kind: "computed", length, compute: () => new Uint8Array(length) };
}
