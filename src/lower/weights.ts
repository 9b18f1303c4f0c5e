/** Weights of layers and of `weight` lines: inherited, or as their initialisers start them. */
import type * as ast from "../../grammar/ast.ts";
import { fail } from "../diag/diagnostic.ts";
import type { Span } from "../diag/span.ts";
import { type Bytes, inMemory } from "../ir/bytes.ts";
import { byteLength, type DType, elements, showShape } from "../ir/types.ts";
import { encodeElements } from "../onnx-ops/elements.ts";
import { expanded, filled, permuted } from "./arrays.ts";
import { evaluate } from "./evaluate.ts";
import { at, type Filling, type Frame, lookUp } from "./frame.ts";
import { cast, wire } from "./grow.ts";
import { hostTensor, type InheritedMap, inherit, type Layout, shapeOfMap } from "./inherit.ts";
import {
  constant,
  type Fill,
  filledBytes,
  initialisers,
  type Shaped,
  stretchOf,
} from "./initialise.ts";
import type { TensorSpec } from "./layers.ts";
import { permute } from "./movement.ts";
import { bind, notANumber } from "./params.ts";
import type { PlacedWeight, Placement } from "./placement.ts";
import { streamOf } from "./random.ts";
import { type HostMap, type Known, kindOf, show, type Tensor, type Wire } from "./values.ts";

/** The weights of a layer, made when it is first called. */
export async function layerWeights(frame: Frame, name: string): Promise<readonly Tensor[]> {
  const layer = frame.layers.get(name)!;
  if (layer.weights) return layer.weights;
  const { line, form } = layer;
  const inherited = takeFrom(frame, line, form.tensors[0], layer.from);
  if (inherited?.bias && !form.tensors.some(({ tensor }) => tensor === "bias")) {
    const params = {
      layer: name,
      part: `host.${layer.from!.name}`,
      site: frame.placement.host.site,
    };
    frame.placement.reporter.report("inherit-no-bias", params, { at: line.from!.span });
  }
  const tensors: Tensor[] = [];
  for (const spec of form.tensors) {
    const stored = storedName(frame, line, spec.tensor);
    tensors.push(
      inherited
        ? storeInherited(frame, line, spec, stored, inherited)
        : await storeFresh(frame, line, spec, stored),
    );
  }
  layer.weights = tensors;
  return tensors;
}

/** A `weight` of the operator, made when it is first read, in the type that `x` has. */
export async function weightNamed(frame: Frame, name: string): Promise<Tensor> {
  const { placement } = frame;
  const weight = frame.weights.get(name)!;
  if (weight.tensor) return weight.tensor;
  const { line, shape, from } = weight;
  const spec: TensorSpec = { tensor: "", shape, start: () => constant(0) };
  const stored = storedName(frame, line, "");
  const inherited = takeFrom(frame, line, spec, from, "out,in");
  const made = inherited
    ? storeInherited(frame, line, spec, stored, inherited)
    : await storeFresh(frame, line, spec, stored);
  weight.tensor = cast(placement, made, placement.dtype);
  return weight.tensor;
}

function storedName({ placement, prefix }: Frame, line: ast.Layer | ast.Weight, tensor: string) {
  const steps = [placement.scope, `${prefix}${line.as?.value ?? line.name.name}`, tensor];
  return steps.filter((step) => step !== "").join(".");
}

/** What `from` gives for a weight of this shape; null, and a note, where it gives nothing. */
function takeFrom(
  frame: Frame,
  line: ast.Layer | ast.Weight,
  spec: TensorSpec | undefined,
  map: HostMap | null,
  layout?: Layout,
): InheritedMap | null {
  const { placement } = frame;
  if (!placement.inherit || !map || !spec) return null;
  const details = { at: line.from!.span };
  const [layer, site, part] = [line.name.name, placement.host.site, `host.${map.name}`];
  if (map.pieces.length === 0) {
    placement.reporter.report("inherit-refused", { layer, why: map.missing ?? "" }, details);
    return null;
  }
  const [got, wanted] = [shapeOfMap(map), spec.shape];
  if (got.join() !== wanted.join()) {
    const shapes = { got: showShape(got), wanted: showShape(wanted) };
    placement.reporter.report("inherit-shape", { layer, part, site, ...shapes }, details);
    return null;
  }
  const inherited = inherit(map, layout);
  if (typeof inherited !== "string") return inherited;
  placement.reporter.report("inherit-refused", { layer, why: inherited }, details);
  return null;
}

function storeInherited(
  { placement }: Frame,
  line: ast.Layer | ast.Weight,
  spec: TensorSpec,
  name: string,
  { dtype, layout, weight, bias, whole }: InheritedMap,
): Tensor {
  const layer = line.name.name;
  const source = whole ? "inherited" : "computed";
  if (spec.tensor === "bias") {
    const data = bias ?? inMemory(new Uint8Array(byteLength(dtype, elements(spec.shape))));
    const from = bias ? source : "computed";
    return store(placement, { layer, name, spec, dtype, data, layout: null, source: from });
  }
  return store(placement, {
    layer,
    name,
    spec,
    dtype,
    data: weight,
    layout: spec.turns ? layout : null,
    source,
  });
}

async function storeFresh(
  frame: Frame,
  line: ast.Layer | ast.Weight,
  spec: TensorSpec,
  name: string,
): Promise<Tensor> {
  const { placement } = frame;
  const dtype = placement.weightType;
  const layout = spec.turns ? placement.layout : null;
  let draws = 0;
  const draw = () => streamOf(placement.seed, name, draws++);
  const filling: Filling = { ...spec, dtype, draw };
  const expr = line.kind === "layer" ? line.init : line.value;
  const data = !expr
    ? filledBytes(spec.start(draw), dtype, spec.shape, layout === "in,out")
    : spec.tensor === "bias"
      ? inMemory(new Uint8Array(byteLength(dtype, elements(spec.shape))))
      : await initialised({ ...frame, filling }, expr, filling, layout);
  const layer = line.name.name;
  return store(placement, { layer, name, spec, dtype, data, layout, source: "fresh" });
}

/** An initialiser alone is computed when it is written; an expression over them now. */
async function initialised(
  frame: Frame,
  expr: ast.Expr,
  filling: Filling,
  layout: Layout | null,
): Promise<Bytes> {
  const turned = layout === "in,out";
  const fill = await plainFill(frame, expr, filling);
  if (fill) {
    const ends = [0, elements(filling.shape) - 1].flatMap((i) => [...stretchOf(fill, i, 1)]);
    await at(expr.span, () => checkFinite(filling.dtype, ends));
    return filledBytes(fill, filling.dtype, filling.shape, turned);
  }
  const value = await evaluate(frame, expr);
  const known = await at(expr.span, () => knownOf(filling, value));
  await at(expr.span, () => checkFinite(filling.dtype, known.data));
  const laid = turned ? permuted(known, [1, 0]) : known;
  return inMemory(encodeElements(filling.dtype, laid.data));
}

async function plainFill(frame: Frame, expr: ast.Expr, filling: Filling): Promise<Fill | null> {
  const callee = expr.kind === "call" ? expr.callee : expr;
  if (callee.kind !== "name" || callee.domain !== "") return null;
  const initialiser = Object.hasOwn(initialisers, callee.name) && initialisers[callee.name];
  if (!initialiser || lookUp(frame, callee.name) !== undefined) return null;
  if (expr.kind === "call" && initialiser.params.length === 0) return null;
  const args = [];
  for (const { name, value, span } of expr.kind === "call" ? expr.args : []) {
    args.push({ name: name?.name ?? null, value: await evaluate(frame, value), span });
  }
  const values = bind(frame.placement, callee.name, initialiser.params, args, expr.span);
  return initialiser.fill(filling, values as number[], filling.draw);
}

/** @throws GraftError for elements that the type cannot hold: nothing would be learned from them. */
function checkFinite(dtype: DType, data: ArrayLike<number>): void {
  const most = largest[dtype] ?? Number.MAX_VALUE;
  const i = Array.prototype.findIndex.call(data, (element) => !(Math.abs(element) <= most));
  if (i >= 0) throw fail("start-not-finite", { value: data[i]!, index: i, dtype });
}

const largest: Readonly<Partial<Record<DType, number>>> = {
  float16: 65504,
  float32: 3.4028234663852886e38,
  bfloat16: 3.3895313892515355e38,
};

/** A number, or a tensor that broadcasts to the weight. */
function knownOf({ shape, dtype }: Filling & Shaped, value: Awaited<ReturnType<typeof evaluate>>) {
  if (typeof value === "number") return filled(dtype, shape, value);
  const known =
    value !== null && typeof value === "object" && value.kind === "host-map"
      ? hostTensor(value, dtype)
      : value;
  if (kindOf(known) === "wire") {
    throw fail("not-constant", { name: "The start of a weight", cause: "what the model computes" });
  }
  if (kindOf(known) !== "known") throw notANumber(value);
  const tensor = known as Known;
  const fits = tensor.shape.every((dim, i) => {
    return dim === 1 || dim === shape[shape.length - tensor.shape.length + i];
  });
  if (!fits || tensor.shape.length > shape.length) {
    const params = { what: "A weight", wanted: `a start of ${showShape(shape)}` };
    throw fail("wrong-value", { ...params, got: show(tensor) });
  }
  return expanded(tensor, shape);
}

/** Bytes of one buffer, in which a new weight is made when it is written. */
const largestWeight = 2 ** 32 - 1;

/** @throws GraftError `impossible-size` where no buffer holds a weight of this shape. */
export function checkHolds(dtype: DType, shape: readonly number[], at?: Span): void {
  if (byteLength(dtype, elements(shape)) <= largestWeight) return;
  throw fail("impossible-size", { shape: showShape(shape) }, { at });
}

interface Storing extends Pick<PlacedWeight, "layer" | "name" | "layout" | "source"> {
  readonly spec: TensorSpec;
  readonly dtype: DType;
  readonly data: Bytes;
}

/** @returns the tensor as the operator sees it: [out, in], whichever way it is stored. */
function store(placement: Placement, weight: Storing): Tensor {
  const { layer, name, spec, dtype, data, layout, source } = weight;
  if (placement.patch.weights.has(name)) {
    const hint = "bind each call to a name of its own, or store one `as` another";
    throw fail("stored-twice", { name }, { hint });
  }
  checkHolds(dtype, spec.shape);
  const turned = layout === "in,out";
  const shape = turned ? spec.shape.toReversed() : spec.shape;
  const value = placement.patch.weight(name, dtype, shape, data);
  placement.weights.push({ layer, tensor: spec.tensor, name, value, layout, source });
  const tensor: Wire = wire(placement, value, { dtype, shape });
  return turned ? permute(placement, tensor, [1, 0]) : tensor;
}
