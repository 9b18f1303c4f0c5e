/** `host.mask`: what the host adds to its scores, of whatever kind its masks are. */
import type { AttentionHost, HostMask } from "../anatomy/anatomy.ts";
import { multiplyDims } from "../onnx-ops/dims.ts";
import { binary, where } from "./arithmetic.ts";
import { asReal, cast, tensorOf, wire } from "./grow.ts";
import type { Host } from "./host.ts";
import { library } from "./library.ts";
import { reshape, unsqueeze } from "./movement.ts";
import type { Ground } from "./placement.ts";
import { reduce } from "./reductions.ts";
import { captured } from "./replay.ts";
import type { Tensor } from "./values.ts";

/**
 * Stands for minus infinity. It is finite, two of them are, and scores vanish beside it, so that a
 * row which is masked throughout attends evenly, as it does where scores are overwritten.
 */
function farBelow({ dtype }: Ground): number {
  return dtype === "float16" ? -3e4 : -1e30;
}

/** What the host adds to its scores, in the type of `x`; 0 where it adds nothing. */
export function mask(ground: Ground, host: Host): Tensor | number {
  const found = host.part?.host;
  if (found?.kind === "attention" && found.opaque && !fits(found, host)) return 0;
  host.used.mask = true;
  if (found?.kind !== "attention") return 0;
  return summed(ground, host, found, farBelow(ground));
}

/** Attentions that ONNX Runtime computes so; its own fused operators know no minus infinity. */
const leavesZeros: ReadonlySet<AttentionHost["form"]> = new Set(["decomposed", "Attention"]);

/**
 * 1 for queries that see a key, [.., N, 1], and 0 for others. The number 1 where that is known of all,
 * or where one that sees none attends evenly, as `mask` has it, and does not get zeros.
 */
export function seen(ground: Ground, host: Host): Tensor | number {
  const found = host.part?.host;
  if (found?.kind !== "attention" || !found.guarded || !leavesZeros.has(found.form)) return 1;
  if (found.masks.length === 0 || (found.opaque && !fits(found, host))) return 1;
  const sum = summed(ground, host, found, Number.NEGATIVE_INFINITY);
  const nearest = reduce(ground, "max", tensorOf(ground, sum, ground.dtype), [-1]);
  const sees = binary(ground, ">", nearest, Number.NEGATIVE_INFINITY) as Tensor;
  return cast(ground, sees, ground.dtype);
}

/** Masks in one, with `far` for what they hide. */
function summed(ground: Ground, host: Host, found: AttentionHost, far: number): Tensor | number {
  let sum: Tensor | number = 0;
  for (const each of found.masks) {
    const own = captured(ground, host, found, each.value);
    const type = each.value.type ?? { dtype: ground.dtype, shape: null };
    const x = headsApart(ground, host, found.heads, wire(ground, own, type));
    if (overwrites(each)) {
      sum = overwritten(ground, found, each, x, sum, far);
      continue;
    }
    const term = added(ground, host, each, x, far);
    const floors = found.guarded && each.means === "add" && Number.isFinite(far);
    sum = plus(ground, sum, floors ? floored(ground, term) : term);
  }
  return found.triangular ? plus(ground, sum, causal(ground, host, far)) : sum;
}

function plus(ground: Ground, sum: Tensor | number, term: Tensor): Tensor {
  return sum === 0 ? term : (binary(ground, "+", sum, term) as Tensor);
}

type Overwriting = Extract<HostMask, { means: "keep" | "drop" }>;

function overwrites(mask: HostMask): mask is Overwriting {
  return mask.means === "keep" || mask.means === "drop";
}

/**
 * What is hidden forgets what was added before. In a row that an added mask hides too, this stands
 * against that: then it is the host's own filler, if scores vanish beside it.
 */
function overwritten(
  ground: Ground,
  { masks }: AttentionHost,
  { means, filler = 0 }: Overwriting,
  x: Tensor,
  sum: Tensor | number,
  far: number,
): Tensor {
  const known = Number.isFinite(filler) ? filler : 0;
  const meets = ground.dtype !== "float16" && masks.some((mask) => mask.means === "add");
  const floor = Number.isFinite(far) ? Math.min(far, meets ? known : 0) : known || far;
  const yes = cast(ground, x, "bool");
  return means === "keep" ? where(ground, yes, sum, floor) : where(ground, yes, floor, sum);
}

/** A mask that overwrites nothing as what is added to scores. */
function added(
  ground: Ground,
  host: Host,
  meaning: Exclude<HostMask, Overwriting>,
  x: Tensor,
  far: number,
): Tensor {
  const floor = farBelow(ground);
  const real = asReal(ground, x);
  switch (meaning.means) {
    case "add":
      return narrowed(ground, real, far);
    case "subtract":
      return narrowed(ground, binary(ground, "-", 0, real) as Tensor, far);
    case "padding":
      return where(ground, unpadded(ground, host, x), 0, Math.max(meaning.hidden, floor));
  }
}

/** In the type of `x`, where numbers of a wider one would be minus infinity, which is another thing. */
function narrowed(ground: Ground, x: Tensor, far: number): Tensor {
  if (ground.dtype !== "float16" || x.dtype === "float16") return cast(ground, x, ground.dtype);
  const finite = floored(ground, x);
  if (Number.isFinite(far)) return cast(ground, finite, ground.dtype);
  const kept = where(ground, binary(ground, "==", x, far) as Tensor, x, finite);
  return cast(ground, kept, ground.dtype);
}

/** No minus infinity: a row of them would be no number, which a guarded host makes 0 of. */
function floored(ground: Ground, x: Tensor): Tensor {
  const far = farBelow(ground);
  return where(ground, binary(ground, "<", x, far) as Tensor, far, x);
}

/** Which keys count, [B, 1, 1, M] or [B, 1, N, M], of their number [B] or of a mask. */
function unpadded(ground: Ground, host: Host, x: Tensor): Tensor {
  if (x.shape.length > 1) {
    const rank4 = unsqueeze(ground, x, x.shape.length === 2 ? [1, 2] : [1]);
    return binary(ground, ">", rank4, 0) as Tensor;
  }
  const positions = library.get("range")!.call(ground, [0, host.keys, 1]) as Tensor;
  const counts = unsqueeze(ground, cast(ground, x, positions.dtype), [1, 2, 3]);
  return binary(ground, "<", positions, counts) as Tensor;
}

/** Masks of windows are of other sizes than all tokens are. */
function fits({ masks }: AttentionHost, { tokens }: Host): boolean {
  return masks.every(({ value }) => {
    const columns = value.type?.shape?.at(-1) ?? null;
    return columns === null || columns === 1 || columns === tokens || typeof tokens !== "number";
  });
}

/** [B * H, N, M] as [B, H, N, M]; anything else as it is. */
function headsApart(ground: Ground, { batch }: Host, heads: number, x: Tensor): Tensor {
  const [first, ...rest] = x.shape;
  const joined = x.shape.length === 3 && first !== 1 && first === multiplyDims(batch, heads);
  return joined ? reshape(ground, x, [batch, heads, ...rest]) : x;
}

function causal(ground: Ground, host: Host, far: number): Tensor {
  const behind = library.get("tril")!.call(ground, [host.tokens, 0]) as Tensor;
  return where(ground, behind, 0, far);
}
