/** `graftc train MODEL EDITS... --data DATA -o OUT` */
import { fail } from "../../diag/diagnostic.ts";
import { type TrainResult, train as trainModel } from "../../train.ts";
import type { TrainFlags } from "../flags.ts";
import { checkOrder } from "../order.ts";
import type { Command } from "../outcome.ts";
import { trainText } from "../train-text.ts";

type Given = TrainFlags & { readonly model: string; readonly edits: readonly string[] };

export const train: Command<Given> = {
  failed: () => ({ out: null, stages: [] }),
  async run({ data, explain = false, ...given }, { signal, progress }) {
    checkOrder("graftc train", given.model, given.edits);
    if (data === undefined) {
      throw fail("data-not-given", {}, { hint: "say where the data is: `--data DATA`" });
    }
    const label = given.out ?? given.model;
    const onProgress = (done: number, total: number, words: string) =>
      progress.update(label, done, total, words);
    const result = await trainModel({ ...given, data, signal, onProgress });
    return {
      code: 0,
      json: trainJson(result, explain),
      text: trainText(result, explain),
      diagnostics: result.diagnostics,
    };
  },
};

function trainJson(result: TrainResult, explain: boolean) {
  const { out, run, stages, bytesWritten, verification, explanations } = result;
  return {
    out,
    run,
    stages: stages.map((stage) => ({
      kind: stage.kind,
      steps: stage.steps,
      seconds_per_step: stage.secondsPerStep,
      loss_first: stage.lossFirst,
      loss_last: stage.lossLast,
      sites: stage.sites,
      ...(stage.memory && {
        seconds: stage.steps * stage.secondsPerStep,
        memory: { ...stage.memory.estimated, measured: stage.memory.measured },
      }),
    })),
    bytes_written: bytesWritten,
    verification,
    ...(explain && { explanations }),
  };
}
