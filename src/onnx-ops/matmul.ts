/** Products of matrices. */
import { broadcast, mayEqual, type OpLiteral, ranked, refuse } from "./op.ts";

export const matmul: readonly OpLiteral[] = [
  {
    op: "MatMul",
    infer: ranked(([a, b]) => {
      if (!a || !b) return null;
      if (a.shape.length === 0 || b.shape.length === 0) {
        refuse("MatMul", [a, b], "a scalar is no matrix");
      }
      const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
      const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
      const [inner, outer] = [left.at(-1)!, right.at(-2)!];
      if (!mayEqual(inner, outer)) refuse("MatMul", [a, b], `${inner} has to equal ${outer}`);
      const batch = broadcast("MatMul", [
        { ...a, shape: left.slice(0, -2) },
        { ...b, shape: right.slice(0, -2) },
      ]);
      const rows = a.shape.length === 1 ? [] : [left.at(-2)!];
      const columns = b.shape.length === 1 ? [] : [right.at(-1)!];
      return [{ dtype: a.dtype, shape: [...batch, ...rows, ...columns] }];
    }),
  },
  {
    op: "Gemm",
    infer: ranked(([a, b], { attributes }) => {
      if (a?.shape.length !== 2 || b?.shape.length !== 2) return null;
      const [m, k] = attributes.int("transA") ? [a.shape[1]!, a.shape[0]!] : a.shape;
      const [l, n] = attributes.int("transB") ? [b.shape[1]!, b.shape[0]!] : b.shape;
      if (!mayEqual(k!, l!)) refuse("Gemm", [a, b], `${k} has to equal ${l}`);
      return [{ dtype: a.dtype, shape: [m!, n!] }];
    }),
  },
];
