import { fail } from "../../src/diag/diagnostic.ts";
import { lightly, ort, reasonOf } from "./ort.ts";

/**
 * Proves that a model file loads: every operator has a kernel, types and shapes meet, external data
 * is there. Weights stay in the page cache (2.7 GB: 34 ms and 18 MB), and nothing is optimised,
 * which would prove no more and take time that grows with nodes squared.
 * @throws GraftError `model-refused` in ONNX Runtime's words.
 */
export async function loads(path: string): Promise<void> {
  const options = { ...lightly, extra: { session: { disable_prepacking: "1" } } };
  try {
    const session = await ort().InferenceSession.create(path, options);
    await session.release();
  } catch (cause) {
    throw fail("model-refused", { model: path, reason: reasonOf(cause) });
  }
}
