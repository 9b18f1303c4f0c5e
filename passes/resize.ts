/** `resize SEL to ratio R`, `to hidden H`, `to heads H`: units leave, or new ones join, in place. */
import { fail } from "../src/diag/diagnostic.ts";
import type { Span } from "../src/diag/span.ts";
import { inMemory } from "../src/ir/bytes.ts";
import type { Node, Use, Value } from "../src/ir/graph.ts";
import { checkHolds } from "../src/lower/weights.ts";
import { encodeElements } from "../src/onnx-ops/elements.ts";
import type { Patch } from "../src/onnx-ops/patch.ts";
import { storedTensor } from "../src/onnx-ops/stored.ts";
import { roundHalfAway } from "../src/plan/evaluate.ts";
import type { PlannedEdit, Site } from "../src/plan/plan.ts";
import { preparesConstants, readersOf } from "./graph/constants.ts";
import { freeName } from "./graph/free-name.ts";
import { type Choice, cutTensor } from "./resize/cut.ts";
import { mostImportant } from "./resize/importance.ts";
import { type Entry, type MarkedTensor, sizeOf } from "./resize/marks.ts";
import { withOwnBiases } from "./resize/own-biases.ts";
import { anatomyOf, type Seed, seedsOf } from "./resize/projections.ts";
import { traceUnits } from "./resize/trace.ts";
import { commit, nodesOf, partNow, patchFor, type Session } from "./session.ts";

type Resize = Extract<PlannedEdit, { verb: "resize" }>;

/**
 * Cuts or extends the projections of one part. Growing leaves the function as it is: what reads new
 * units is zero. Weights keep their names and are computed when they are written.
 * @returns whether the function stays the same.
 * @throws GraftError `cannot-resize` where units are not told apart with certainty.
 */
export function resize(edit: Resize, site: Site, session: Session): boolean {
  const part = partNow(session, site.part!);
  const { host } = part;
  const { label } = site;
  const refuse = (reason: string) =>
    fail("cannot-resize", { label, reason }, { at: edit.statement.target.span });
  if (host.kind !== "mlp" && host.kind !== "attention")
    throw refuse("it is neither MLP nor attention");
  if (host.opaque) throw refuse(host.opaque);
  if (host.kind === "attention") {
    if (host.kvHeads !== host.heads)
      throw refuse("its keys and values have fewer heads (grouped queries)");
    if (host.cache) throw refuse("it keeps keys and values of earlier calls");
    if (host.holdsMlp) throw refuse("its projections compute the block's MLP too");
    if (!host.out) throw refuse("it has no output projection");
  }
  let body = anatomyOf(host);
  const width = body.inputs.at(-1)![1].in;
  const resized = edit.quantity === "ratio" ? roundHalfAway(edit.amount * width) : edit.amount;
  if (resized < 1) throw refuse(`a ratio of ${edit.amount} leaves it without hidden units`);
  if (resized === body.units) {
    const params = { label, count: resized, noun: body.noun };
    session.reporter.report("resized-to-same", params, { at: edit.statement.value.span });
    return true;
  }
  const biases = patchFor(session, edit, site, part.scope);
  body = withOwnBiases(body, biases, part.scope);
  if (biases.weights.size > 0) commit(session, biases, site);
  const seeds = seedsOf(body, refuse);
  const { graph } = session.model;
  const within = nodesOf(session, site.block);
  for (const { kind, value } of seeds) {
    if (kind === "bias" || readersOf(value).every((node) => within.has(node))) continue;
    throw refuse(`its weight ${value.name} is shared with other parts`);
  }
  const traced = traceUnits({ ...body, graph, within, resized, seeds, refusal: refuse });
  if (part.outputs.some((output) => traced.marks.has(output))) {
    throw refuse(`its ${body.noun} reach beyond its output`);
  }
  const patch = patchFor(session, edit, site, part.scope);
  const choice = {
    before: body.units,
    after: resized,
    kept: keptUnits(seeds, body.units, resized),
  };
  for (const tensor of traced.tensors) {
    const at = edit.statement.value.span;
    changeTensor(tensor, { patch, choice, within, scope: part.scope, seed: session.seed, at });
  }
  for (const { node, input, values } of traced.vectors) {
    patch.rewire(node, input, vectorOf(patch, node, input, values, choice));
  }
  for (const { node, values } of traced.attributes) patch.retune(node, values);
  const changed = [
    ...traced.tensors.flatMap(({ value }) => readersOf(value)),
    ...[...traced.vectors, ...traced.attributes].map(({ node }) => node),
  ];
  for (const node of changed) if (within.has(node)) patch.mark(node);
  commit(session, patch, site);
  for (const [value, mark] of traced.marks) retype(value, mark.axis, sizeOf(mark, resized));
  return resized > body.units;
}

/** A size that only the runtime knows loses its name, which others of that name have not become. */
function retype(value: Value, axis: number, size: number | null): void {
  if (!value.type?.shape) return;
  value.type = { ...value.type, shape: value.type.shape.with(axis, size) };
  if (size === null) value.declared = false;
}

/** Asked for when the first tensor is written; the weights as they are now are read then. */
function keptUnits(seeds: readonly Seed[], units: number, count: number): Choice["kept"] {
  const projections = (kind: Seed["kind"]) =>
    seeds
      .filter((seed) => seed.kind === kind)
      .map(({ value, mark }) => ({ tensor: storedTensor(value)!, mark }));
  const [inputs, outputs] = [projections("in"), projections("out")];
  let kept: readonly number[] | undefined;
  return () => {
    kept ??=
      count < units
        ? mostImportant(inputs, outputs, units, count)
        : Array.from({ length: units }, (_, j) => j);
    return kept;
  };
}

/** Uses by a block's nodes, or by nodes that prepare constants. */
function usesIn(value: Value, within: ReadonlySet<Node>): Use[] {
  return [...value.uses].filter(({ node }) => within.has(node) || preparesConstants(node));
}

interface Change {
  readonly patch: Patch;
  readonly choice: Choice;
  readonly within: ReadonlySet<Node>;
  readonly scope: string;
  readonly seed: number;
  readonly at: Span;
}

/** In place; what others read too, or a Constant node holds, becomes a weight of the part's own. */
function changeTensor(tensor: MarkedTensor, change: Change): void {
  const { value, mark, filler, role, fanIn } = tensor;
  const { patch, choice, within, scope, seed, at } = change;
  const stored = storedTensor(value)!;
  const uses = usesIn(value, within);
  const own = value.initializer !== null && uses.length === value.uses.size;
  const name = own ? value.name : freeName(patch, `${scope}.${role}`);
  const { shape, data } = cutTensor(stored, mark, choice, { filler, seed, name, fanIn });
  checkHolds(stored.dtype, shape, at);
  if (own) {
    patch.reweigh(value, shape, data);
    return;
  }
  const copy = patch.weight(name, stored.dtype, shape, data);
  for (const { node, index } of uses) patch.rewire(node, index, copy);
}

/** What is not a number is taken from what the node reads now. */
function vectorOf(
  patch: Patch,
  node: Node,
  input: number,
  values: readonly Entry[],
  { before, after }: Choice,
): Value {
  const old = node.inputs[input]!;
  const dtype = old.type?.dtype ?? "int64";
  const constant = (numbers: readonly number[]) =>
    patch.constant(dtype, [numbers.length], inMemory(encodeElements(dtype, numbers)));
  const isNumber = (value: Entry) => typeof value === "number";
  const unknown = values.filter((value) => !isNumber(value)).length;
  if (unknown === 0) return constant(values as number[]);
  if (unknown === 1 && node.op === "Reshape" && !values.includes(-1)) {
    return constant(values.map((value) => (isNumber(value) ? value : -1)));
  }
  const pieces = values.map((value, i) => {
    if (isNumber(value)) return constant([value]);
    const now = patch.one("Gather", [old, patch.ints([i])]);
    if (value === null) return now;
    return patch.one("Div", [patch.one("Mul", [now, constant([after])]), constant([before])]);
  });
  return patch.one("Concat", pieces, { attributes: { axis: 0 } });
}
