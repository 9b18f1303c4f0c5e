import type { Sample } from "../gradient-differences.ts";

export const pointwise: readonly Sample[] = [
  { op: "Mul", inputs: { a: ["batch", 1, 4], b: [3, 1] } },
];
