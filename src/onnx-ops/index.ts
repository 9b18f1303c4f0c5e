/** Every operator that graftc knows more of than its schema. */
import { activations } from "./activations.ts";
import { arithmetic } from "./arithmetic.ts";
import { choices } from "./choices.ts";
import { einsum } from "./einsum.ts";
import { elementwise } from "./elementwise.ts";
import { functions } from "./functions.ts";
import { gather } from "./gather.ts";
import { matmul } from "./matmul.ts";
import { movement } from "./movement.ts";
import { nn } from "./nn.ts";
import { norms } from "./norms.ts";
import type { OpLiteral } from "./op.ts";
import { reduce } from "./reduce.ts";
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
  nn,
  shape,
  movement,
  slice,
  gather,
];

/** By name, with the domain where it is not ai.onnx. */
export const ops: ReadonlyMap<string, OpLiteral> = new Map(
  families.flat().map((literal) => [literal.op, literal]),
);
