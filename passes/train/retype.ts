import type { Model } from "../../src/ir/graph.ts";
import type { Oracle } from "../../src/ir/oracle.ts";
import { inferTypes } from "../infer-types.ts";

/** Infers the types of what the graph computes anew: they were of another program. */
export async function retype(model: Model, oracle: Oracle): Promise<void> {
  for (const value of model.graph.values.values()) {
    if (value.producer) value.type = null;
  }
  await inferTypes(model, oracle);
}
