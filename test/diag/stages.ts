import { parse } from "../../grammar/index.ts";
import type { Diagnostic } from "../../src/diag/diagnostic.ts";
import type { Sample } from "./sample.ts";

/** What graftc says about a sample, from as many stages as the sample needs. */
export async function diagnosticsOf(sample: Sample): Promise<readonly Diagnostic[]> {
  if (sample.model === null && sample.command === null) return parse(sample.source).diagnostics;
  throw new Error(`${sample.name}: samples with a model or a command are not run yet`);
}
