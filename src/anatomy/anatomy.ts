/** What anatomy finds in a flat graph. Data only; the search is in the files beside it. */
import type { Node, Use, Value } from "../ir/graph.ts";
import type { Dim } from "../ir/types.ts";

export interface Anatomy {
  readonly stacks: readonly Stack[];
  /** Nodes with weights that belong to no block and to no known place outside of blocks. */
  readonly unplaced: readonly Node[];
  /** Why something that looks like a block or a part was not taken for one, for people. */
  readonly remarks: readonly string[];
}

/**
 * How the axes of a stream follow one another: samples first, on a grid or not; tokens first, as
 * PyTorch's attention has them by default; tokens of one sample, which has no axis.
 */
export type Order = "B,N,D" | "N,B,D" | "N,D";

export interface Stack {
  /** `blocks` where it is the only one; else the module path, `encoder.blocks`. */
  readonly name: string;
  /** Width of the residual stream, D. */
  readonly width: number;
  /** N; a name where it is symbolic, null where blocks have tokens of different axes. */
  readonly tokens: Dim;
  readonly order: Order;
  readonly heads: number | null;
  /** Rows and columns of the token grid, where tokens came from patches and nothing was added. */
  readonly grid: readonly [Dim, Dim] | null;
  readonly blocks: readonly Block[];
}

export interface Block {
  readonly index: number;
  /** The module path (`blocks.1`), or "" where the model has no scopes. */
  readonly scope: string;
  /** What names of its weights start with: `scope`, or its place where that is not its alone. */
  readonly prefix: string;
  /** The residual stream on entry and on exit: [B, N, D], [N, B, D] or [B, H, W, D]. */
  readonly input: Value;
  readonly output: Value;
  /** The second stream of joint blocks, [B, M, D]. */
  readonly context: { readonly input: Value; readonly output: Value | null } | null;
  readonly parts: ReadonlyMap<string, Part>;
  /** All nodes of the block: its parts, norms, modulation, gates and residual adds. */
  readonly nodes: ReadonlySet<Node>;
  /** Norm before the branch, or after the residual add. */
  readonly style: "pre-norm" | "post-norm" | "mixed";
  /** Parts that stand here and cannot be offered, with the reason. */
  readonly refused: ReadonlyMap<string, string>;
  /** Earlier points of the stream that come in at its start by a long skip (U-ViT). */
  readonly skips: readonly Value[];
  /**
   * Operators that compute something of the block together with something of its neighbours (a residual
   * sum and the norm behind it), and that come apart: they must be, before the block is edited as a whole.
   */
  readonly fused: ReadonlySet<Node>;
  /** Why the block cannot be taken out, copied or moved as a whole, in words; null where it can. */
  readonly opaque: string | null;
}

/** `attn`, `attn2`, `cross_attn`, `mlp`, `norm1`, `norm2`, `context_mlp`, `context_norm1`, ... */
export interface Part {
  readonly name: string;
  /**
   * The longest module path that its projections share; `<block>.<part>` where that is the block, or
   * where other parts share it too (tied layers). No two parts have the same.
   */
  readonly scope: string;
  /** From `x` to `outputs`, projections included; norm, modulation, gate and residual add are not. */
  readonly nodes: ReadonlySet<Node>;
  readonly x: Value;
  /** The second stream of a joint part, or what a cross-attention attends to. */
  readonly context: Value | null;
  /** Of what a cross-attention attends to. */
  readonly contextOrder: Order;
  /** One value, or two in joint attention (own stream first). */
  readonly outputs: readonly Value[];
  /** Where two streams run through it as one: their tokens joined, and before they are cut apart. */
  readonly joined: { readonly x: Value; readonly y: Value } | null;
  /** What it keeps from one call to the next, in words; null where nothing. */
  readonly keeps: string | null;
  readonly host: AttentionHost | MlpHost | NormHost | OtherHost;
}

/** One linear map y = x W^T + b as the model has it, whichever nodes compute it. */
export interface Linear {
  /**
   * The initializer that holds W, before any Transpose, Cast or dequantisation between. Where it is
   * computed from constants in another way (stacked weights, a Constant node), that value itself.
   */
  readonly weight: Value;
  /** How its bytes lie. Gemm transB=1 and Transpose(W) give "out,in", MatMul "in,out". */
  readonly layout: "in,out" | "out,in";
  readonly bias: Value | null;
  /** The input of a fused operator behind the part (SkipLayerNormalization) that adds the bias. */
  readonly biasInput: Use | null;
  /** Output features of W that this map owns, half-open; the whole of W unless projections are fused. */
  readonly rows: readonly [start: number, end: number];
  /** Rows of a fused W where they are not contiguous (heads interleaved): row of each feature. */
  readonly order: readonly number[] | null;
  /** The elements of `bias` that belong to `rows`; the same range unless the bias alone is fused. */
  readonly biasRows: readonly [start: number, end: number];
  readonly in: number;
  readonly out: number;
  /** y = alpha x W^T + b; 1 but where an optimizer pulled a scale in (FusedMatMul, Gemm). */
  readonly alpha: number;
  /** Why its weight cannot be read as plain numbers, in words (integers, packed bits); else null. */
  readonly opaque: string | null;
  readonly nodes: ReadonlySet<Node>;
}

export interface AttentionHost {
  readonly kind: "attention";
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly out: Linear | null;
  /** The map that q, k and v are row slices of, where they are fused in q, k, v order. */
  readonly qkv: Linear | null;
  readonly heads: number;
  /** Fewer than `heads` in grouped-query attention. */
  readonly kvHeads: number;
  readonly headDim: number;
  readonly scale: number;
  readonly causal: boolean;
  /** Nothing but what comes after a token is hidden from it, provably. */
  readonly onlyCausal: boolean;
  /** Its operator hides later tokens by itself, whatever the masks do. */
  readonly triangular: boolean;
  /** All that its scores meet, in that order; several where ALiBi and padding are added one by one. */
  readonly masks: readonly HostMask[];
  /** qk-norm and rotary embedding between projections and scores; null where there is none. */
  readonly rotation: Rotation | null;
  /** Projections of the second stream in joint attention. */
  readonly joint: {
    readonly q: Linear;
    readonly k: Linear;
    readonly v: Linear;
    readonly out: Linear | null;
    /** What stands between its projections and the joined scores. */
    readonly rotation: Rotation | null;
  } | null;
  /** Keys and values of earlier calls (`past`), and those handed on (`present`): key, then value. */
  readonly cache: {
    readonly past: readonly [Value, Value] | null;
    readonly present: readonly [Value, Value] | null;
  } | null;
  /** An MLP runs inside of the same projections, so that the block has none of its own. */
  readonly holdsMlp: boolean;
  /** How it is written: one fused operator, or decomposed. */
  readonly form:
    | "decomposed"
    | "Attention"
    | "MultiHeadAttention"
    | "GroupQueryAttention"
    | "other";
  /** A query whose keys are all masked gets zeros, where softmax alone would give NaN. */
  readonly guarded: boolean;
  /** What resize and inheritance must refuse, in words; null where everything is understood. */
  readonly opaque: string | null;
}

/** One mask of an attention; it broadcasts to [B, H, N, M] unless it is padding. */
export type HostMask = MaskMeaning & { readonly value: Value };

/**
 * What a mask does with scores, in the order of `masks`: it is added or subtracted, or true keeps or
 * drops them, and `filler` stands in the place of dropped ones where it is known. Padding is integers
 * as fused operators read them: how many keys of each sample count [B], or which do [B, M], [B, N, M];
 * `hidden` is added to the scores of all others.
 */
export type MaskMeaning =
  | { readonly means: "add" | "subtract" }
  | { readonly means: "keep" | "drop"; readonly filler?: number | undefined }
  | { readonly means: "padding"; readonly hidden: number };

/** The nodes from split heads to scores, to be replayed by cloning on other q and k. */
export interface Rotation {
  readonly q: Turn;
  readonly k: Turn;
  /** In graph order; tables of angles that do not depend on q or k are captured, not cloned. */
  readonly nodes: readonly Node[];
}

/** Where a rotation begins and ends; optimizers write that of q otherwise than that of k. */
export interface Turn {
  readonly from: Value;
  readonly to: Value;
  /** Layout of `from`; heads are not split yet in "B,N,HD", and one axis with the batch in "BH,N,d". */
  readonly layout: HeadLayout;
  readonly layoutOut: HeadLayout;
}

export type HeadLayout = "B,H,N,d" | "B,H,d,N" | "B,N,H,d" | "B,N,HD" | "BH,N,d";

export interface MlpHost {
  readonly kind: "mlp";
  readonly fc1: Linear;
  readonly fc2: Linear;
  /** The gate projection of SwiGLU and GEGLU; `fc1` is then the up projection. */
  readonly gate: Linear | null;
  readonly hidden: number;
  /** `gelu`, `gelu_tanh`, `silu`, `relu`, ... as the nodes compute it; "?" where unknown. */
  readonly activation: string;
  readonly opaque: string | null;
}

/**
 * A part whose place in the block is known and whose inside is not: a token mixer without softmax, an
 * attention written in an unknown way, a mixture of experts.
 */
export interface OtherHost {
  readonly kind: "other";
  /** What it looks like, for people: `token mixer`, `attention`, `feature map`. */
  readonly what: string;
  readonly mixesTokens: boolean;
  /** Its projections, in data-flow order. */
  readonly linears: readonly Linear[];
  /** Why its inside is not taken apart, in words. */
  readonly opaque: string;
}

export interface NormHost {
  readonly kind: "norm";
  readonly norm: "layer_norm" | "rms_norm" | "other";
  readonly weight: Value | null;
  readonly bias: Value | null;
  readonly epsilon: number | null;
}
