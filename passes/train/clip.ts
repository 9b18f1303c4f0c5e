import type { Grower } from "../../src/onnx-ops/grower.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";

export interface Clipping {
  /** Of all gradients together, before clipping. */
  readonly norm: Wire;
  readonly factor: Wire;
}

/** What guards the quotient in PyTorch's clip_grad_norm_. */
const guard = 1e-6;

/**
 * One norm over all of these gradients, and what to multiply them by so that it is at most `limit`.
 * Computed also where nothing is clipped: whatever waits for the factor comes after the whole
 * backward pass, and may then overwrite parameters.
 */
export function clipping(grower: Grower, gradients: readonly Wire[], limit: number): Clipping {
  const squares = gradients.map((gradient) => gradient.reduce("SumSquare", undefined, false));
  const norm = (squares.length === 1 ? squares[0]! : grower.one("Sum", squares)).sqrt();
  const factor = grower.scalar("float32", limit).div(norm.add(guard)).min(1);
  return { norm, factor };
}
