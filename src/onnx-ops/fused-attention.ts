/** Attention, rotations and embeddings of com.microsoft, as ONNX Runtime's optimisers fuse them. */
import { scatterAdd } from "./adjoints.ts";
import { attended, headsOf, joined } from "./attention.ts";
import { divideDims, type Extent, multiplyDims, productOf } from "./dims.ts";
import { centred, epsilonOf, throughNormal } from "./norms.ts";
import { type AttributeReader, likeFirst, type OpLiteral, ranked } from "./op.ts";
import { type Vjp, type VjpRequest, vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

/** Projections of q, k and v and attention: input, weight, bias, mask, past, bias of the scores. */
const attention: Vjp = (request) => {
  const { x, attributes, grower, refuse } = request;
  const [input, weight, bias, mask, past, added] = x;
  if (past || x.slice(6).some((each) => each)) return refuse("it reads a cache");
  if (attributes.int("do_rotary") === 1) return refuse("it rotates its queries and keys");
  const sizes = widthsOf(weight!.shape[1], attributes);
  if (!sizes) return refuse("the width of its weights is not known");
  const product = input!.matmul(weight!);
  const parts = (bias ? product.add(bias) : product).split(2, sizes);
  const each = between(request, parts as [Wire, Wire, Wire], mask ?? null, added ?? null);
  const packed = grower.concat(each.parts, 2);
  const rows = (wire: Wire) => {
    const [batch, tokens, width] = wire.shape as [Extent, Extent, Extent];
    return wire.reshape([multiplyDims(batch, tokens) as Extent, width]);
  };
  return [
    packed.matmul(weight!, { transB: true }),
    rows(input!).matmul(rows(packed), { transA: true }),
    bias && packed.sum([0, 1], false),
    null,
    null,
    each.scores,
  ];
};

/** Attention of projected q, k and v: bias of all three, mask, bias of the scores. */
const multiHead: Vjp = (request) => {
  const { x, grower, refuse } = request;
  const [q, k, v, bias, mask, added] = x;
  if (x.slice(6).some((each) => each)) return refuse("it reads a cache");
  const plain = [q, k, v].every((part) => part?.rank === 3);
  if (!plain) return refuse("its queries, keys and values are packed");
  const widths = [q!, k!, v!].map((part) => part.shape[2]!);
  const known = widths.filter((width) => typeof width === "number");
  if (known.length < 3) return refuse("the width of its queries is not known");
  const biases = bias ? bias.split(0, known) : [];
  const parts = [q!, k!, v!].map((part, i) => (biases[i] ? part.add(biases[i]) : part));
  const each = between(request, parts as [Wire, Wire, Wire], mask ?? null, added ?? null);
  const sums = each.parts.map((part) => part.sum([0, 1], false));
  return [...each.parts, bias && grower.concat(sums, 0), null, each.scores];
};

interface Between {
  /** Gradients of q, k and v, as those lie. */
  readonly parts: readonly Wire[];
  readonly scores: Wire;
}

function between(
  { dy, y, attributes, refuse }: VjpRequest,
  [q, k, v]: readonly [Wire, Wire, Wire],
  mask: Wire | null,
  added: Wire | null,
): Between {
  if (dy.slice(1).some((gradient) => gradient)) return refuse("more than its result is used");
  const heads = attributes.int("num_heads")!;
  const size = divideDims(q.shape[2]!, heads);
  if (typeof size !== "number") return refuse("the size of its heads is not known");
  const seen = mask && visible(mask, q, k);
  if (mask && !seen) return refuse("its mask is of a form that graftc does not know");
  const hidden = attributes.float("mask_filter_value") ?? -10000;
  const masked = seen?.cast(q.dtype).from(1).mul(hidden) ?? null;
  const split = (part: Wire) => headsOf(part, heads);
  const [dq, dk, dv, scores] = attended({
    q: split(q),
    k: split(k),
    v: split(v),
    y: split(y[0]!),
    dy: split(dy[0]!),
    mask: masked && added ? masked.add(added) : (masked ?? added),
    causal: attributes.int("unidirectional") === 1,
    // 0 stands for none.
    scale: attributes.float("scale") || 1 / Math.sqrt(size),
  });
  return { parts: [joined(dq, q), joined(dk, k), joined(dv, v)], scores };
}

/**
 * What queries see, bool and broadcast to the scores: from lengths of samples, or from keys that are
 * 1; null for other forms.
 */
function visible(mask: Wire, q: Wire, k: Wire): Wire | null {
  const [batch, tokens] = k.shape as [Extent, Extent];
  const { grower } = mask;
  if (mask.rank === 1 && mask.shape[0] === batch) {
    return grower.iota(tokens).less(mask.cast("int64").reshape([batch, 1, 1, 1]));
  }
  const seen = mask.rank === 2 || mask.rank === 3 ? mask.greater(0) : null;
  if (mask.rank === 3) return mask.shape[1] === q.shape[1] ? seen!.unsqueeze([1]) : null;
  return seen?.unsqueeze([1, 2]) ?? null;
}

function widthsOf(all: Extent | undefined, attributes: AttributeReader): readonly number[] | null {
  const said = attributes.ints("qkv_hidden_sizes");
  if (said?.length === 3) return said;
  return typeof all === "number" ? [all / 3, all / 3, all / 3] : null;
}

/** Rotated back by the same angles. */
const rotary: Vjp = vjp(({ dy, x: [, places, cos, sin], attributes, wants, grower, refuse }) => {
  if (wants(2) || wants(3)) return refuse("its angles would be trained");
  if ((attributes.float("scale") ?? 1) !== 1) return refuse("it scales what it rotates");
  const keys = ["interleaved", "num_heads", "rotary_embedding_dim", "is_packed_batching"];
  const said = keys.flatMap((key) => {
    const value = attributes.int(key);
    return value === undefined ? [] : [[key, value] as const];
  });
  const options = { attributes: Object.fromEntries(said), domain: "com.microsoft" };
  return [grower.one("RotaryEmbedding", [dy, places!, cos!, sin!.neg()], options)];
});

/** The norm of a sum of rows of three tables; the sum itself is output 2. */
const embedding: Vjp = ({ dy: [dy, , dsum], x, attributes, output, grower }) => {
  const [ids, segments, words, positions, kinds, gamma, , , places] = x;
  const sum = output(2);
  const stats = centred(sum, [2], epsilonOf(attributes, 1e-12));
  const normed = dy && throughNormal(dy.mul(gamma!), stats);
  const through = [normed, dsum].flatMap((part) => part ?? []);
  if (through.length === 0) return [];
  const dx = grower.sum(through);
  const [batch, tokens, width] = sum.shape as [Extent, Extent, Extent];
  const into = (table: Wire, rows: Wire) => {
    const count = productOf([batch, tokens]) as Extent;
    const column = rows.cast("int64").expand([batch, tokens]).reshape([count, 1]);
    const given = dx.reshape([count, width]);
    return scatterAdd(table, column.expand([count, width]), given, 0);
  };
  return [
    null,
    null,
    into(words!, ids!),
    into(positions!, places ?? grower.iota(tokens).unsqueeze([0])),
    kinds && segments ? into(kinds, segments) : null,
    dy?.mul(stats.normal),
    dy,
  ];
};

export const fusedAttention: readonly OpLiteral[] = [
  {
    op: "com.microsoft::Attention",
    infer: ranked((_, { inputs: [x, weight], attributes, outputs }) => {
      const width = attributes.ints("qkv_hidden_sizes")?.[2] ?? divideDims(weight!.shape![1]!, 3);
      if (outputs > 1 || x!.shape!.length !== 3) return null;
      return [{ dtype: x!.dtype, shape: [...x!.shape!.slice(0, 2), width ?? null] }];
    }),
    vjp: attention,
  },
  {
    op: "com.microsoft::MultiHeadAttention",
    infer: ranked((_, { inputs: [q, , v], outputs }) => {
      if (outputs > 1 || q!.shape!.length !== 3 || v?.shape?.length !== 3) return null;
      return [{ dtype: q!.dtype, shape: [...q!.shape!.slice(0, 2), v.shape[2]!] }];
    }),
    vjp: multiHead,
  },
  { op: "com.microsoft::RotaryEmbedding", infer: likeFirst, vjp: rotary },
  {
    op: "com.microsoft::EmbedLayerNormalization",
    infer: ranked((_, { inputs: [ids, , words], outputs }) => {
      const whole = { dtype: words!.dtype, shape: [...ids!.shape!, words!.shape![1]!] };
      const lengths = { dtype: "int32" as const, shape: [ids!.shape![0]!] };
      return [whole, lengths, whole].slice(0, outputs);
    }),
    vjp: embedding,
  },
];
