import { type Diagnostic, diagnostic, fail } from "../../src/diag/diagnostic.ts";
import { lightly, ort, reasonOf } from "./ort.ts";

/**
 * Proves that a model file loads: every operator has a kernel, types and shapes meet, external data
 * is there. Weights stay in the page cache (2.7 GB: 34 ms and 18 MB), and nothing is optimised,
 * which would prove no more and take time that grows with nodes squared.
 * @param original the file that it was made from: what does not load itself, for operators that
 * ONNX Runtime does not know say, is no yardstick.
 * @returns the warning `load-unproven` in that case, else null.
 * @throws GraftError `model-refused` in ONNX Runtime's words.
 */
export async function loads(path: string, original?: string): Promise<Diagnostic | null> {
  const reason = await refusal(path);
  if (reason === null) return null;
  const before = original === undefined ? null : await refusal(original);
  if (before === null) throw fail("model-refused", { model: path, reason });
  return diagnostic("load-unproven", { model: original!, reason: before });
}

async function refusal(path: string): Promise<string | null> {
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
