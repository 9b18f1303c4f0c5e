import { inferTypes } from "../passes/infer-types.ts";
import { type Inline, inlineCalls } from "../passes/inline.ts";
import { createOracle } from "../runtime/index.ts";
import type { Anatomy } from "./anatomy/anatomy.ts";
import { anatomize } from "./anatomy/index.ts";
import { breath } from "./ir/breath.ts";
import type { Model, Value } from "./ir/graph.ts";
import type { Oracle } from "./ir/oracle.ts";
import type { TensorType } from "./ir/types.ts";
import { nodeCount } from "./measure/index.ts";
import { readModel } from "./onnx/index.ts";

export interface Dissected {
  /** With the type of every value that ONNX Runtime can tell. */
  readonly model: Model;
  /** The types of the model's inputs and outputs in the file's own words. */
  readonly declared: ReadonlyMap<Value, TensorType | null>;
  readonly anatomy: Anatomy;
  /** How many nodes the file's main graph has. */
  readonly nodes: number;
  /** How many calls of the model's own functions have become nodes (passes/inline.ts). */
  readonly inlined: number;
  /** The runtime that told the types, for what edits have to ask. */
  readonly oracle: Oracle;
}

/**
 * Reads a model, infers the types of its values and finds its blocks.
 * @throws GraftError for what is no valid model; the reason of `signal` where it comes.
 */
export async function dissect(path: string, signal?: AbortSignal): Promise<Dissected> {
  return dissectModel(await readModel(path), signal);
}

/** The same for a model that is read already. */
export async function dissectModel(
  model: Model,
  signal?: AbortSignal,
  inline: Inline = "blocks",
): Promise<Dissected> {
  const { inputs, outputs } = model.graph;
  const declared = new Map([...inputs, ...outputs].map((value) => [value, value.type]));
  const nodes = nodeCount(model);
  const inlined = inlineCalls(model, inline);
  const oracle = createOracle(signal);
  await inferTypes(model, oracle);
  await breath(signal);
  const anatomy = anatomize(model);
  await breath(signal);
  return { model, declared, anatomy, nodes, inlined, oracle };
}
