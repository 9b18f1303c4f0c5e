import { statSync } from "node:fs";
import { type Diagnostic, diagnostic, fail } from "../../src/diag/diagnostic.ts";
import { readModel } from "../../src/onnx/index.ts";
import { inferGraph } from "../infer/infer-types.ts";
import { Refusal } from "../infer/probe.ts";
import { lightly, ort, reasonOf } from "./ort.ts";

/**
 * ONNX Runtime plans the memory of a graph in time that grows with the square of its nodes where
 * sizes are symbolic: from here on a load takes seconds, at 20,000 nodes minutes.
 */
const manyNodes = 1500;

/** It also reads into memory what is inside of the model file: gigabytes, where weights are. */
const muchInside = 1 << 28;

export interface LoadOptions {
  /** What a message calls the file, which may have a temporary name. */
  readonly shown?: string;
  /**
   * The file that it was made from: what does not load itself, for operators that ONNX Runtime
   * does not know say, is no yardstick.
   */
  readonly original?: string;
  /**
   * How many it has. Above 1500, or where the file is larger than 256 MB without its external data,
   * it is read back and its graph probed in pieces instead.
   */
  readonly nodes?: number;
}

/**
 * Proves that a model file loads: every operator has a kernel, types and shapes meet, external data
 * is there. Weights stay in the page cache (2.7 GB: 34 ms and 18 MB), and nothing is optimised,
 * which would prove no more.
 * @returns the warning `load-unproven` where the original does not load either, else null.
 * @throws GraftError `model-refused` in ONNX Runtime's words; what `readModel` throws.
 */
export async function loads(
  path: string,
  { shown = path, original, nodes = 0 }: LoadOptions = {},
): Promise<Diagnostic | null> {
  const ask = nodes > manyNodes || statSync(path).size > muchInside ? probing : loading;
  const reason = await ask(path);
  if (reason === null) return null;
  const before = original === undefined ? null : await ask(original);
  if (before === null) throw fail("model-refused", { model: shown, reason });
  return diagnostic("load-unproven", { model: original!, reason: before });
}

/** Why the file does not load; null where it does. */
async function loading(path: string): Promise<string | null> {
  const extra = { session: { disable_prepacking: "1" } };
  let first: string | null = null;
  // Some float16 models load only when Casts that ONNX Runtime itself inserts are optimised away.
  for (const graphOptimizationLevel of ["disabled", "basic"] as const) {
    try {
      const options = { ...lightly, graphOptimizationLevel, extra };
      const session = await ort().InferenceSession.create(path, options);
      await session.release();
      return null;
    } catch (cause) {
      first ??= reasonOf(cause);
    }
  }
  return first;
}

async function probing(path: string): Promise<string | null> {
  try {
    await inferGraph(await readModel(path));
    return null;
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause;
    return cause.message;
  }
}
