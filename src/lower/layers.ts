/** The kinds of layers: what weights they have and what they compute. */
import type * as ast from "../../grammar/ast.ts";
import { fail } from "../diag/diagnostic.ts";
import { nearest } from "../diag/suggest.ts";
import { dtypes } from "../ir/types.ts";
import { mayEqual, refuse } from "../onnx-ops/op.ts";
import { cast, grow } from "./grow.ts";
import { constant, drawn, type Fill, fansOf, type Shaped, symmetric } from "./initialise.ts";
import { gather, permute, swapAxes } from "./movement.ts";
import { layerNorm, plus, rmsNorm } from "./norms.ts";
import { count, flag, number, type Param, type ValuesOf, whole, wholes } from "./params.ts";
import type { Ground } from "./placement.ts";
import { normalQuantile, type Stream } from "./random.ts";
import { show, type Tensor } from "./values.ts";

/** One tensor of a layer. */
export interface TensorSpec extends Shaped {
  /** `weight` or `bias`. */
  readonly tensor: string;
  /** Where nothing else is said. */
  readonly start: (draw: () => Stream) => Fill;
  /** Stored in the layout of the host's projections: the weight of a linear. */
  readonly turns?: boolean;
}

/** A layer whose sizes are known. */
export interface LayerForm {
  readonly tensors: readonly TensorSpec[];
  /** @param weights as `tensors` say, in that order, whichever way they are stored. */
  readonly apply: (ground: Ground, x: Tensor, weights: readonly Tensor[]) => Tensor;
}

export interface LayerKind {
  readonly params: readonly Param<unknown>[];
  form(values: readonly unknown[]): LayerForm;
}

function kind<const P extends readonly Param<unknown>[]>(
  params: P,
  form: (...values: ValuesOf<P>) => LayerForm,
): LayerKind {
  return { params, form: (values) => form(...(values as unknown as ValuesOf<P>)) };
}

/** PyTorch's start of linear and convolution: within 1 / sqrt(fan_in), bias too. */
function affine(weight: Shaped, bias: boolean, turns = false): TensorSpec[] {
  const { fanIn } = fansOf(weight.shape);
  const start = (draw: () => Stream) => symmetric(1 / Math.sqrt(fanIn), draw());
  const tensors: TensorSpec[] = [{ ...weight, tensor: "weight", start, turns }];
  return bias ? [...tensors, { tensor: "bias", shape: [weight.shape[0]!], start }] : tensors;
}

const ones = () => constant(1);
const zeros = () => constant(0);

export const layerKinds: Readonly<Record<string, LayerKind>> = {
  /** y = x W^T + b on the last axis. */
  linear: kind([count("in"), count("out"), flag("bias", true)], (inputs, out, bias) => ({
    tensors: affine({ shape: [out, inputs] }, bias, true),
    apply: (g, x, [w, b]) => {
      if (!mayEqual(x.shape.at(-1) ?? 0, inputs))
        refuse("linear", [x], `it takes ${inputs} features`);
      // Weights follow the type of x, and whole numbers would cut them.
      if (!dtypes[x.dtype].float) {
        const hint = "`float(...)` makes reals of it";
        throw fail("types-do-not-meet", { op: "linear", types: show(x) }, { hint });
      }
      const product = grow(g, "MatMul", [x, permute(g, cast(g, w!, x.dtype), [1, 0])]);
      return plus(g, product, b);
    },
  })),

  /** A filter of its own for each channel of [B, N, C], over the present and the past. */
  causal_conv1d: kind(
    [count("channels"), count("kernel"), flag("bias", true)],
    (channels, size, bias) => ({
      tensors: affine(
        { shape: [channels, 1, size], identity: ([, , tap]) => (tap === size - 1 ? 1 : 0) },
        bias,
      ),
      apply: (g, x, weights) => {
        if (x.shape.length !== 3 || !mayEqual(x.shape[2]!, channels)) {
          refuse("causal_conv1d", [x], `it takes [B, N, ${channels}]`);
        }
        const attributes = { group: channels, kernel_shape: [size], pads: [size - 1, 0] };
        return swapAxes(g, convolve(g, swapAxes(g, x, 1, 2), weights, attributes), 1, 2);
      },
    }),
  ),

  /** PyTorch's Conv1d on [B, C, N]; `padding` may be a pair, before and after. */
  conv1d: convolution(1),
  /** PyTorch's Conv2d on [B, C, H, W]. */
  conv2d: convolution(2),

  layer_norm: kind(
    [count("features"), number("eps", 1e-5), flag("affine", true), flag("bias", true)],
    (features, eps, affine, bias) => ({
      tensors: [
        { tensor: "weight", shape: [features], start: ones },
        { tensor: "bias", shape: [features], start: zeros },
      ].slice(0, affine ? (bias ? 2 : 1) : 0),
      apply: (g, x, [scale, shift]) => {
        if (!mayEqual(x.shape.at(-1) ?? 0, features))
          refuse("layer_norm", [x], `it takes ${features} features`);
        return layerNorm(g, x, eps, scale, shift);
      },
    }),
  ),

  /** x / sqrt(mean(x^2) + eps) * weight, in float32 at least. */
  rms_norm: kind([count("features"), number("eps", 1e-6)], (features, eps) => ({
    tensors: [{ tensor: "weight", shape: [features], start: ones }],
    apply: (g, x, [scale]) => {
      if (!mayEqual(x.shape.at(-1) ?? 0, features))
        refuse("rms_norm", [x], `it takes ${features} features`);
      return rmsNorm(g, x, eps, scale!);
    },
  })),

  /** Rows of a table, by index. */
  embedding: kind([count("rows"), count("features")], (rows, features) => ({
    tensors: [
      {
        tensor: "weight",
        shape: [rows, features],
        start: (draw) => drawn(draw(), normalQuantile),
      },
    ],
    apply: (g, x, [table]) => gather(g, table!, x, 0),
  })),
};

type ConvAttributes = Readonly<Record<string, number | readonly number[]>>;

function convolve(
  g: Ground,
  x: Tensor,
  weights: readonly Tensor[],
  attributes: ConvAttributes,
): Tensor {
  return grow(g, "Conv", [x, ...weights.map((weight) => cast(g, weight, x.dtype))], attributes);
}

function convolution(axes: 1 | 2): LayerKind {
  return kind(
    [
      count("in"),
      count("out"),
      wholes("kernel"),
      wholes("stride", [1]),
      wholes("padding", [0]),
      wholes("dilation", [1]),
      whole("groups", 1),
      flag("bias", true),
    ],
    (inputs, out, kernel, stride, padding, dilation, groups, bias) => {
      const each = (values: readonly number[]) =>
        values.length === 1 ? Array<number>(axes).fill(values[0]!) : values;
      const sizes = each(kernel);
      const shape = [out, inputs / groups, ...sizes];
      const padded = padding.length === 1 ? Array<number>(2 * axes).fill(padding[0]!) : padding;
      const pads = axes === 2 && padded.length === 2 ? [...padded, ...padded] : padded;
      if (!Number.isInteger(shape[1]!) || !Number.isInteger(out / groups)) {
        const wanted = `a divisor of ${inputs} and ${out}`;
        throw fail("wrong-value", { what: `\`groups\` of \`conv${axes}d\``, wanted, got: groups });
      }
      const centre = (index: readonly number[]) => {
        const [o, i, ...taps] = index as [number, number, ...number[]];
        const middle = taps.every((tap, axis) => tap === Math.floor(sizes[axis]! / 2));
        return middle && o % (out / groups) === i ? 1 : 0;
      };
      return {
        tensors: affine({ shape, identity: centre }, bias),
        apply: (g, x, weights) =>
          convolve(g, x, weights, {
            group: groups,
            kernel_shape: sizes,
            strides: each(stride),
            dilations: each(dilation),
            pads,
          }),
      };
    },
  );
}

/** @throws GraftError where there is no such kind of layer. */
export function layerKind({ name, span }: ast.Ident): LayerKind {
  if (Object.hasOwn(layerKinds, name)) return layerKinds[name]!;
  const kinds = Object.keys(layerKinds);
  const close = nearest(name, kinds);
  const hint = close ? `did you mean \`${close}\`?` : `kinds are ${kinds.join(", ")}`;
  throw fail("unknown-layer-type", { name }, { at: span, hint });
}
