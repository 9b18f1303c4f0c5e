/** Operators that bring what lies along some axes to one scale. */
import type { Dim } from "../ir/types.ts";
import type { Extent } from "./dims.ts";
import {
  type AttributeReader,
  axisOf,
  type Infer,
  likeFirst,
  type OpLiteral,
  ranked,
} from "./op.ts";
import { type Vjp, vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

export function epsilonOf(attributes: AttributeReader, otherwise = 1e-5): number {
  return attributes.float("epsilon") ?? otherwise;
}

/** Every axis from `axis` on. */
function axesFrom(op: string, x: Wire, axis: number): number[] {
  const first = axisOf(op, axis, x);
  return [...x.shape.keys()].slice(first);
}

/** x over its root mean square: `normal` is x times `rate`, which has 1 along the axes. */
export interface Normal {
  readonly normal: Wire;
  readonly rate: Wire;
  readonly axes: readonly number[];
}

/** Through x -> normal: dx = rate (g - normal mean(g normal)), with x not centred. */
export function throughScale(g: Wire, { normal, rate, axes }: Normal): Wire {
  return g.sub(normal.mul(g.mul(normal).mean(axes))).mul(rate);
}

/** The same with x centred first. */
export function throughNormal(g: Wire, stats: Normal): Wire {
  const { normal, rate, axes } = stats;
  const slope = g.mul(normal).mean(axes);
  return g.sub(normal.mul(slope)).sub(g.mean(axes)).mul(rate);
}

export function scaled(x: Wire, axes: readonly number[], epsilon: number): Normal {
  const rate = x.square().mean(axes).add(epsilon).sqrt().reciprocal();
  return { normal: x.mul(rate), rate, axes };
}

export function centred(x: Wire, axes: readonly number[], epsilon: number): Normal {
  return scaled(x.sub(x.mean(axes)), axes, epsilon);
}

/** Whether each element of a stored tensor is this. */
function holds(x: Wire | null | undefined, value: number): boolean {
  return x?.known?.every((element) => element === value) ?? false;
}

const layerNormalization: Vjp = vjp((request) => {
  const { dy, x, y, attributes } = request;
  const [a, scale, bias] = x;
  const axes = axesFrom("LayerNormalization", a!, attributes.int("axis") ?? -1);
  // A weight that is trained does not stay what it is now.
  const unscaled = !request.wants(1) && holds(scale, 1);
  const plain = unscaled && !request.wants(2) && (!bias || holds(bias, 0));
  const rate = request.output(2);
  const normal = plain ? y : a!.sub(request.output(1)).mul(rate);
  const g = unscaled ? dy : dy.mul(scale!);
  return [throughNormal(g, { normal, rate, axes }), dy.mul(normal), bias && dy];
});

/** Of LayerNormalization: y, Mean and InvStdDev. */
const withStatistics: Infer = ranked(([x], { attributes, outputs }) => {
  if (!x) return null;
  const axis = axisOf("LayerNormalization", attributes.int("axis") ?? -1, x);
  const shape = x.shape.map((dim, i): Dim => (i < axis ? dim : 1));
  const statistics = { dtype: "float32" as const, shape };
  return [{ dtype: x.dtype, shape: x.shape }, statistics, statistics].slice(0, outputs);
});

const rmsNormalization: Vjp = vjp(({ dy, x: [a, scale], attributes }) => {
  const axes = axesFrom("RMSNormalization", a!, attributes.int("axis") ?? -1);
  const stats = scaled(a!, axes, epsilonOf(attributes));
  return [throughScale(dy.mul(scale!), stats), dy.mul(stats.normal)];
});

/** Sizes of a vector of channels beside [N, C, ...]. */
function besideChannels(x: Wire, vector: Wire): Wire {
  return vector.unsqueeze([...x.shape.keys()].slice(2).map((axis) => axis - 1));
}

/** Gradients of a vector of channels: all but their axis summed. */
function toChannels(x: Wire): Wire {
  return x.sum(
    [...x.shape.keys()].filter((axis) => axis !== 1),
    false,
  );
}

/** Trained apart from this graph, its statistics are constants. */
const batchNormalization: Vjp = vjp(({ dy, x, attributes, refuse }) => {
  if (attributes.int("training_mode")) refuse("it is in training mode");
  const [a, scale, , mean, variance] = x;
  const rate = variance!.add(epsilonOf(attributes)).sqrt().reciprocal();
  const beside = (vector: Wire) => besideChannels(a!, vector);
  return [
    dy.mul(beside(rate.mul(scale!))),
    toChannels(dy.mul(a!.sub(beside(mean!)))).mul(rate),
    toChannels(dy),
  ];
});

const instanceNormalization: Vjp = vjp(({ dy, x: [a, scale], attributes }) => {
  const axes = [...a!.shape.keys()].slice(2);
  const stats = centred(a!, axes, epsilonOf(attributes));
  const dx = throughNormal(dy.mul(besideChannels(a!, scale!)), stats);
  return [dx, toChannels(dy.mul(stats.normal)), toChannels(dy)];
});

/** Up to opset 20 scale and bias have a number a group, since then one a channel. */
const groupNormalization: Vjp = vjp(({ dy, x: [a, scale], attributes, grower }) => {
  const groups = attributes.int("num_groups")!;
  const [batch, channels] = a!.shape;
  const grouped: Extent[] = [batch!, groups, -1];
  const parts = grower.opset < 21 ? [batch!, groups, -1] : [batch!, channels!, -1];
  const beside = scale!.unsqueeze([1]);
  const split = (wire: Wire) => wire.reshape(parts);
  const stats = centred(a!.reshape(grouped), [2], epsilonOf(attributes));
  const normal = stats.normal.reshape([...a!.shape]);
  const g = split(dy).mul(beside).reshape(grouped);
  return [
    throughNormal(g, stats).reshape([...a!.shape]),
    toChannels(split(dy.mul(normal))),
    toChannels(split(dy)),
  ];
});

const lpNormalization: Vjp = vjp(({ dy, x: [a], y, attributes }) => {
  const axes = [axisOf("LpNormalization", attributes.int("axis") ?? -1, a!)];
  const first = attributes.int("p") === 1;
  const norm = a!.reduce(first ? "L1" : "L2", axes, true);
  const along = dy.mul(y).sum(axes);
  return [dy.sub((first ? a!.sign() : y).mul(along)).div(norm)];
});

/** p' = p (g - sum(g p)): what is common to all of a row does not matter. */
const softmax: Vjp = vjp(({ dy, x: [a], y, attributes }) => {
  const axes = [axisOf("Softmax", attributes.int("axis") ?? -1, a!)];
  return [dy.sub(dy.mul(y).sum(axes)).mul(y)];
});

const logSoftmax: Vjp = vjp(({ dy, x: [a], y, attributes }) => {
  const axes = [axisOf("LogSoftmax", attributes.int("axis") ?? -1, a!)];
  return [dy.sub(y.exp().mul(dy.sum(axes)))];
});

/** BatchNormalization gives its running statistics only while it trains. */
const firstOutput: Infer = (request) => (request.outputs === 1 ? likeFirst(request) : null);

export const norms: readonly OpLiteral[] = [
  { op: "LayerNormalization", infer: withStatistics, vjp: layerNormalization },
  { op: "RMSNormalization", infer: likeFirst, vjp: rmsNormalization },
  // ONNX Runtime's own, and without a domain.
  { op: "SimplifiedLayerNormalization", infer: likeFirst, vjp: rmsNormalization },
  { op: "BatchNormalization", infer: firstOutput, vjp: batchNormalization },
  { op: "InstanceNormalization", infer: likeFirst, vjp: instanceNormalization },
  { op: "GroupNormalization", infer: likeFirst, vjp: groupNormalization },
  { op: "LpNormalization", infer: likeFirst, vjp: lpNormalization },
  { op: "Softmax", infer: likeFirst, vjp: softmax },
  { op: "LogSoftmax", infer: likeFirst, vjp: logSoftmax },
];
