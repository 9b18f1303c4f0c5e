import { inferTypes } from "../passes/infer-types.ts";
import { createOracle } from "../runtime/index.ts";
import type { Anatomy } from "./anatomy/anatomy.ts";
import { anatomize } from "./anatomy/index.ts";
import { breath } from "./ir/breath.ts";
import type { Model } from "./ir/graph.ts";
import type { Oracle } from "./ir/oracle.ts";
import { readModel } from "./onnx/index.ts";

export interface Dissected {
  /** With the type of every value that ONNX Runtime can tell. */
  readonly model: Model;
  readonly anatomy: Anatomy;
  /** The runtime that told the types, for what edits have to ask. */
  readonly oracle: Oracle;
}

/**
 * Reads a model, infers the types of its values and finds its blocks.
 * @throws GraftError for what is no valid model; the reason of `signal` where it comes.
 */
export async function dissect(path: string, signal?: AbortSignal): Promise<Dissected> {
  const model = await readModel(path);
  const oracle = createOracle(signal);
  await inferTypes(model, oracle);
  await breath(signal);
  const anatomy = anatomize(model);
  await breath(signal);
  return { model, anatomy, oracle };
}
