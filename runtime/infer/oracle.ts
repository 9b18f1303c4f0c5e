import { fail } from "../../src/diag/diagnostic.ts";
import { breath } from "../../src/ir/breath.ts";
import type { Oracle } from "../../src/ir/oracle.ts";
import type { TensorType } from "../../src/ir/types.ts";
import { inferGraph } from "./infer-types.ts";
import { Refusal } from "./probe.ts";
import { evaluateNode, inferNode, keyOf } from "./single-node.ts";

/**
 * The compiler's questions, answered by ONNX Runtime in this thread: they take milliseconds.
 * `inferTypes` throws GraftError `types-refused` where the model does not fit together, and the
 * reason of `signal` once that has come.
 */
export function createOracle(signal?: AbortSignal): Oracle {
  const answers = new Map<string, Promise<TensorType[]>>();
  return {
    async inferTypes(model, graph) {
      await breath(signal);
      try {
        return await inferGraph(model, graph);
      } catch (cause) {
        if (!(cause instanceof Refusal)) throw cause;
        throw fail("types-refused", { model: model.path, reason: cause.message });
      }
    },
    async inferNode(node, inputs) {
      signal?.throwIfAborted();
      const key = keyOf(node, inputs);
      const known = answers.get(key) ?? inferNode(node, inputs);
      answers.set(key, known);
      return known;
    },
    evaluateNode,
  };
}
