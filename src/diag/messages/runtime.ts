import { error, warning } from "../template.ts";

/** What ONNX Runtime, or a comparison that ran on it, has to say. */
export const runtimeMessages = {
  "model-refused": error`ONNX Runtime does not load ${"model"}: ${"reason"}`,
  "load-unproven": warning`Whether the result loads is not proven, for the input does not: ONNX Runtime refuses ${"model"}: ${"reason"}`,
  "types-refused": error`${"model"} does not fit together: ${"reason"}`,
  "cuda-unavailable": error`CUDA cannot be used: ${"reason"}`,
  "verify-impossible": error`The models cannot be compared: ${"reason"}`,
  "verify-not-finite": error`Output \`${"output"}\` holds NaN or infinity, and that of the input model does not`,
  "verify-failed": error`Output \`${"output"}\` differs by ${"difference"}, and rounding explains ${"bound"}: the edits should keep the function`,
} as const;
