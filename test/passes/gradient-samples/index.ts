import type { Sample } from "../gradient-differences.ts";
import { fused } from "./fused.ts";
import { layers } from "./layers.ts";
import { movement } from "./movement.ts";
import { norms } from "./norms.ts";
import { pointwise } from "./pointwise.ts";
import { products } from "./products.ts";

/** What the goldens leave out: other ranks and axes, symbolic sizes, older forms of operators. */
export const samples: readonly Sample[] = [
  ...pointwise,
  ...products,
  ...norms,
  ...layers,
  ...fused,
  ...movement,
];
