import { inferTypes } from "../passes/infer-types.ts";
import { createOracle } from "../runtime/index.ts";
import type { Anatomy } from "./anatomy/anatomy.ts";
import { anatomize } from "./anatomy/index.ts";
import type { Model } from "./ir/graph.ts";
import { readModel } from "./onnx/index.ts";

export interface Dissected {
  /** With the type of every value that ONNX Runtime can tell. */
  readonly model: Model;
  readonly anatomy: Anatomy;
}

/**
 * Reads a model, infers the types of its values and finds its blocks.
 * @throws GraftError for what is no valid model.
 */
export async function dissect(path: string): Promise<Dissected> {
  const model = await readModel(path);
  await inferTypes(model, createOracle());
  return { model, anatomy: anatomize(model) };
}
