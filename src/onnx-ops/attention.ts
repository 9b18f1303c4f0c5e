/** Attention as one node. */
import { divideDims, type Extent, multiplyDims } from "./dims.ts";
import { type OpLiteral, ranked } from "./op.ts";
import { vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

export const attention: readonly OpLiteral[] = [
  {
    op: "Attention",
    infer: ranked((_, { inputs: [q, , v], attributes, outputs }) => {
      if (outputs > 1) return null;
      const heads = attributes.int("q_num_heads") ?? 0;
      const width = v!.shape!.at(-1)!;
      const each = divideDims(width, attributes.int("kv_num_heads") ?? 1) ?? null;
      const flat = q!.shape!.length === 3;
      const shape = [...q!.shape!.slice(0, -1), flat ? multiplyDims(each, heads) : width];
      return [{ dtype: q!.dtype, shape }];
    }),
    vjp: (request) => {
      const { dy, x, y, attributes, refuse } = request;
      if (dy.slice(1).some((gradient) => gradient)) return refuse("more than its result is used");
      if (x.slice(4).some((input) => input)) return refuse("it reads a cache");
      if (attributes.float("softcap")) return refuse("it caps its scores");
      const [q, k, v, mask] = x;
      const heads = [attributes.int("q_num_heads"), attributes.int("kv_num_heads")] as const;
      const split = (part: Wire, count: number | undefined) =>
        part.rank === 3 ? headsOf(part, count!) : part;
      const queries = split(q!, heads[0]);
      const size = queries.shape[3]!;
      if (typeof size !== "number") return refuse("the size of its heads is not known");
      const [dq, dk, dv, dscores] = attended({
        q: queries,
        k: split(k!, heads[1]),
        v: split(v!, heads[1]),
        y: split(y[0]!, heads[0]),
        dy: split(dy[0]!, heads[0]),
        mask: mask ?? null,
        causal: attributes.int("is_causal") === 1,
        scale: attributes.float("scale") ?? 1 / Math.sqrt(size),
      });
      const join = (part: Wire, like: Wire) => (like.rank === 3 ? joined(part, like) : part);
      return [join(dq, q!), join(dk, k!), join(dv, v!), mask?.dtype === "bool" ? null : dscores];
    },
  },
  {
    op: "RotaryEmbedding",
    infer: ({ inputs: [x] }) => (x ? [{ dtype: x.dtype, shape: x.shape }] : null),
    vjp: vjp(({ dy, x: [, cos, sin, places], attributes, wants, grower, refuse }) => {
      if (wants(1) || wants(2)) return refuse("its angles would be trained");
      const said = ["interleaved", "num_heads", "rotary_embedding_dim"].flatMap((key) => {
        const value = attributes.int(key);
        return value === undefined ? [] : [[key, value] as const];
      });
      const inputs = [dy, cos!, sin!.neg(), ...(places ? [places] : [])];
      return [grower.one("RotaryEmbedding", inputs, { attributes: Object.fromEntries(said) })];
    }),
  },
];

/** [batch, tokens, heads * size] as [batch, heads, tokens, size]. */
export function headsOf(x: Wire, heads: number): Wire {
  const [batch, tokens, width] = x.shape as [Extent, Extent, Extent];
  const size = divideDims(width, heads) as Extent;
  return x.reshape([batch, tokens, heads, size]).transpose([0, 2, 1, 3]);
}

/** The other way round. */
export function joined(x: Wire, like: Wire): Wire {
  return x.transpose([0, 2, 1, 3]).reshape(like.shape);
}

export interface Attended {
  /** [batch, heads, tokens, size]; of k and v there may be fewer heads. */
  readonly q: Wire;
  readonly k: Wire;
  readonly v: Wire;
  readonly y: Wire;
  readonly dy: Wire;
  /** Of bool: what is seen. Of numbers: added to the scores. */
  readonly mask: Wire | null;
  readonly causal: boolean;
  readonly scale: number;
}

/**
 * Gradients of q, k, v and of the scores. The probabilities are computed again; heads that share
 * keys lie side by side as more tokens of one head, so that their gradients are summed in the product.
 */
export function attended(request: Attended): [Wire, Wire, Wire, Wire] {
  const { q, k, v, y, dy, mask, causal, scale } = request;
  const { grower } = q;
  const [batch, heads, tokens] = q.shape as [Extent, Extent, Extent];
  const shared = k.shape[1]!;
  const rows = multiplyDims(divideDims(heads, shared)!, tokens) as Extent;
  const fold = (part: Wire) => part.reshape([batch, shared, rows, part.shape[3]!]);
  const unfold = (part: Wire) => part.reshape([batch, heads, tokens, part.shape[3]!]);
  const [queries, given] = [fold(q), fold(dy)];
  const raw = unfold(queries.matmul(k, { transB: true, alpha: scale }));
  const seen = causal ? whereSeen(raw, lowerTriangle(raw)) : raw;
  const scores = mask ? (mask.dtype === "bool" ? whereSeen(seen, mask) : seen.add(mask)) : seen;
  const p = grower.one("Softmax", [scores], { attributes: { axis: -1 } });
  const dp = unfold(given.matmul(v, { transB: true }));
  const dscores = dp.sub(dy.mul(y).sum([3])).mul(p);
  const folded = fold(dscores);
  return [
    unfold(folded.matmul(k, { alpha: scale })),
    folded.matmul(queries, { transA: true, alpha: scale }),
    fold(p).matmul(given, { transA: true }),
    dscores,
  ];
}

/** The most negative float32, as the runtime has it: a row that sees nothing stays finite. */
const lowest = -3.4028234663852886e38;

function whereSeen(scores: Wire, mask: Wire): Wire {
  const { grower, dtype } = scores;
  return grower.where(mask, scores, grower.scalar(dtype, lowest));
}

function lowerTriangle({ grower, shape }: Wire): Wire {
  const [tokens, keys] = shape.slice(-2) as [Extent, Extent];
  return grower.iota(tokens).unsqueeze([1]).greaterOrEqual(grower.iota(keys));
}
