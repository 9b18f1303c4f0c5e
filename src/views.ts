/** The commands that only look, as functions. */
import { type Diff, diffModels } from "./diff/index.ts";
import { dissect } from "./dissect.ts";
import { type Inspection, inspectionOf } from "./inspect/index.ts";

/**
 * What graftc sees in the model at `path`: the document of `graftc inspect --json`.
 * @throws GraftError where the file is no model.
 */
export async function inspect(path: string, signal?: AbortSignal): Promise<Inspection> {
  return inspectionOf(await dissect(path, signal));
}

/**
 * What differs between two models, grouped by block and part. Names of values are no difference.
 * @throws GraftError where one of them is no model.
 */
export async function diff(a: string, b: string, signal?: AbortSignal): Promise<Diff> {
  const [before, after] = [await dissect(a, signal), await dissect(b, signal)];
  return diffModels(before.model, after.model, [before.anatomy, after.anatomy]);
}
