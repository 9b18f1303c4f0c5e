/** Files of weights as they are read, and loading them. */
import { loadWeights, type WeightFile } from "../../passes/load-weights.ts";
import { anatomize } from "../../src/anatomy/index.ts";
import type { Model } from "../../src/ir/graph.ts";
import type { StoredTensor } from "../../src/onnx/index.ts";

export const fileOf = (
  tensors: Map<string, StoredTensor>,
  site: string | null = null,
): WeightFile => ({
  path: "w.safetensors",
  site,
  tensors,
});

export function load(
  model: Model,
  files: WeightFile[],
  rest: Partial<Parameters<typeof loadWeights>[2]> = {},
) {
  return loadWeights(model, files, {
    anatomy: anatomize(model),
    added: [],
    partial: false,
    ...rest,
  }).diagnostics;
}
