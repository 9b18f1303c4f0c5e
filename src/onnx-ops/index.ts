/** Every operator that graftc knows more of than its schema. */
import { elementwise } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { nn } from "./nn.ts";
import type { OpLiteral } from "./op.ts";
import { reduce } from "./reduce.ts";
import { shape } from "./shape.ts";

/** By name, without the domain: all of them are of ai.onnx. */
export const ops: ReadonlyMap<string, OpLiteral> = new Map(
  [...elementwise, ...matmul, ...shape, ...reduce, ...nn].map((literal) => [literal.op, literal]),
);
