/** Norms of the last axis, at any opset. */
import { float } from "../onnx-ops/attributes.ts";
import { binary } from "./arithmetic.ts";
import { filled } from "./arrays.ts";
import { cast, grow, inFloat32 } from "./grow.ts";
import type { Ground } from "./placement.ts";
import { scaledToUnit, standardised } from "./reductions.ts";
import type { Tensor } from "./values.ts";

/** (x - mean) / sqrt(variance + eps) * scale + shift, in float32 at least. */
export function layerNorm(
  g: Ground,
  x: Tensor,
  eps: number,
  scale: Tensor | undefined,
  shift: Tensor | undefined,
): Tensor {
  const inType = (t: Tensor) => cast(g, t, x.dtype);
  if (g.opset >= 17) {
    const weight = scale ? inType(scale) : filled(x.dtype, [Number(x.shape.at(-1))], 1);
    const inputs = shift ? [x, weight, inType(shift)] : [x, weight];
    return grow(g, "LayerNormalization", inputs, { axis: -1, epsilon: float(eps) });
  }
  return inFloat32(g, x, (y) => {
    const unit = standardised(g, y, y.shape.length - 1, eps);
    const scaled = scale ? times(g, unit, scale) : unit;
    return plus(g, scaled, shift);
  });
}

/** x / sqrt(mean(x^2) + eps) * scale, in float32 at least. */
export function rmsNorm(g: Ground, x: Tensor, eps: number, scale: Tensor): Tensor {
  return inFloat32(g, x, (y) => times(g, scaledToUnit(g, y, y.shape.length - 1, eps), scale));
}

function times(g: Ground, x: Tensor, scale: Tensor): Tensor {
  return binary(g, "*", x, cast(g, scale, x.dtype)) as Tensor;
}

/** x + bias in the type of x; x itself where there is no bias. */
export function plus(g: Ground, x: Tensor, bias: Tensor | undefined): Tensor {
  return bias ? (binary(g, "+", x, cast(g, bias, x.dtype)) as Tensor) : x;
}
