/** Every operator that graftc knows more of than its schema. */
import { activations } from "./activations.ts";
import { arithmetic } from "./arithmetic.ts";
import { attention } from "./attention.ts";
import { choices } from "./choices.ts";
import { contrib } from "./contrib.ts";
import { conv } from "./conv.ts";
import { einsum } from "./einsum.ts";
import { elementwise } from "./elementwise.ts";
import { functions } from "./functions.ts";
import { fusedAttention } from "./fused-attention.ts";
import { gather } from "./gather.ts";
import { matmul } from "./matmul.ts";
import { movement } from "./movement.ts";
import { norms } from "./norms.ts";
import type { OpLiteral } from "./op.ts";
import { pool } from "./pool.ts";
import { reduce } from "./reduce.ts";
import { resize } from "./resize.ts";
import { shape } from "./shape.ts";
import { slice } from "./slice.ts";

const families: readonly (readonly OpLiteral[])[] = [
  arithmetic,
  functions,
  choices,
  elementwise,
  activations,
  matmul,
  [einsum],
  reduce,
  norms,
  conv,
  pool,
  resize,
  attention,
  contrib,
  fusedAttention,
  shape,
  movement,
  slice,
  gather,
];

/** By name, with the domain where it is not ai.onnx. */
export const ops: ReadonlyMap<string, OpLiteral> = new Map(
  families.flat().map((literal) => [literal.op, literal]),
);
