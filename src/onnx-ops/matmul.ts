/** Products of matrices. */
import type { Dim } from "../ir/types.ts";
import {
  type AttributeReader,
  broadcast,
  type Infer,
  mayEqual,
  type OpLiteral,
  ranked,
  refuse,
} from "./op.ts";
import { type Vjp, vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

/** NumPy's matmul, of matrices that may be read transposed. */
function product(op: string): Infer {
  return ranked(([a, b], { attributes }) => {
    if (!a || !b) return null;
    if (a.shape.length === 0 || b.shape.length === 0) refuse(op, [a, b], "a scalar is no matrix");
    const left = matrix(a.shape.length === 1 ? [1, ...a.shape] : a.shape, attributes.int("transA"));
    const right = matrix(
      b.shape.length === 1 ? [...b.shape, 1] : b.shape,
      attributes.int("transB"),
    );
    const [inner, outer] = [left.at(-1)!, right.at(-2)!];
    if (!mayEqual(inner, outer)) refuse(op, [a, b], `${inner} has to equal ${outer}`);
    const batch = broadcast(op, [
      { ...a, shape: left.slice(0, -2) },
      { ...b, shape: right.slice(0, -2) },
    ]);
    const rows = a.shape.length === 1 ? [] : [left.at(-2)!];
    const columns = b.shape.length === 1 ? [] : [right.at(-1)!];
    return [{ dtype: a.dtype, shape: [...batch, ...rows, ...columns] }];
  });
}

function matrix(shape: readonly Dim[], transposed: number | undefined): readonly Dim[] {
  return transposed ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;
}

/** Both operands' gradients: dA' = dY B'^T and dB' = A'^T dY, each read as it lies. */
function products({ dy, x, attributes, alpha }: Operands): readonly [Wire, Wire] {
  const [a, b] = [x[0]!, x[1]!];
  const transA = Boolean(attributes.int("transA"));
  const transB = Boolean(attributes.int("transB"));
  const da = transA
    ? b.matmul(dy, { transA: transB, transB: true, alpha })
    : dy.matmul(b, { transB: !transB, alpha });
  const db = transB
    ? dy.matmul(a, { transA: true, transB: transA, alpha })
    : a.matmul(dy, { transA: !transA, alpha });
  return [da, db];
}

interface Operands {
  readonly dy: Wire;
  readonly x: readonly Wire[];
  readonly attributes: AttributeReader;
  readonly alpha: number;
}

/** All axes but the last as one: rows that one matrix is applied to. */
function rowsOf(x: Wire): Wire {
  return x.reshape([-1, x.shape.at(-1)!]);
}

/** Rows that are worth a copy of one factor, and of the product. */
const many = 256;

/**
 * a^T b over the rows of both. ONNX Runtime's product of a factor that it reads transposed is up to
 * a quarter slower than that of a copy, so the narrower one is copied; where that is b, the product
 * comes out transposed. The copy is made before its rows are one axis: a Transpose right before a
 * product is fused into it.
 */
function sumOverRows(a: Wire, b: Wire, alpha: number): Wire {
  const [width, other] = [a.shape.at(-1)!, b.shape.at(-1)!];
  if (Number(width) <= Number(other)) return turned(a).matmul(rowsOf(b), { alpha });
  const rows = a.count! / Number(width);
  if (rows >= many) return turned(b).matmul(rowsOf(a), { alpha }).transpose();
  return rowsOf(a).matmul(rowsOf(b), { transA: true, alpha });
}

/** The transpose of all rows. */
function turned(x: Wire): Wire {
  const last = x.rank - 1;
  const axes = [last, ...Array.from({ length: last }, (_, axis) => axis)];
  return x.transpose(axes).reshape([x.shape.at(-1)!, -1]);
}

/** A vector is a matrix of one row or column; a matrix that all of a batch shares sums in the product. */
const matmulRule: Vjp = vjp((request) => {
  const { x, attributes } = request;
  const [row, column] = [x[0]!.rank === 1, x[1]!.rank === 1];
  const a = row ? x[0]!.unsqueeze([0]) : x[0]!;
  const b = column ? x[1]!.unsqueeze([1]) : x[1]!;
  const withRow = row ? request.dy.unsqueeze([request.dy.rank - (column ? 0 : 1)]) : request.dy;
  const dy = column ? withRow.unsqueeze([withRow.rank]) : withRow;
  const alpha = attributes.float("alpha") ?? 1;
  const shared = b.rank === 2 && a.rank > 2 && !attributes.int("transA");
  const [da, each] = products({ dy, x: [a, b], attributes, alpha });
  const [left, right] = attributes.int("transB") ? [dy, a] : [a, dy];
  const db = shared ? sumOverRows(left, right, alpha) : each;
  return [da, column ? db.squeeze([db.rank - 1]) : db];
});

const gemmRule: Vjp = vjp(({ dy, x, attributes }) => {
  const alpha = attributes.float("alpha") ?? 1;
  const [da, db] = products({ dy, x, attributes, alpha });
  const dc = x[2] && dy.sumTo(x[2].shape).mul(attributes.float("beta") ?? 1);
  return [da, db, dc];
});

export const matmul: readonly OpLiteral[] = [
  { op: "MatMul", infer: product("MatMul"), vjp: matmulRule },
  {
    op: "com.microsoft::FusedMatMul",
    infer: product("FusedMatMul"),
    vjp: (request) => {
      const { attributes, refuse } = request;
      const moved = attributes.int("transBatchA") || attributes.int("transBatchB");
      return moved ? refuse("it moves an axis of the batch") : matmulRule(request);
    },
  },
  {
    op: "Gemm",
    infer: ranked(([a, b], { attributes }) => {
      if (a?.shape.length !== 2 || b?.shape.length !== 2) return null;
      const [m, k] = matrix(a.shape, attributes.int("transA"));
      const [l, n] = matrix(b.shape, attributes.int("transB"));
      if (!mayEqual(k!, l!)) refuse("Gemm", [a, b], `${k} has to equal ${l}`);
      return [{ dtype: a.dtype, shape: [m!, n!] }];
    }),
    vjp: gemmRule,
  },
];
