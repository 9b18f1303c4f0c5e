/** `graftc train MODEL EDITS... --data DATA -o OUT` */
import { fail } from "../../diag/diagnostic.ts";
import { train as trainModel } from "../../train.ts";
import { plural, showTime } from "../figures.ts";
import type { TrainFlags } from "../flags.ts";
import type { Command } from "../outcome.ts";

type Given = TrainFlags & { readonly model: string; readonly edits: readonly string[] };

export const train: Command<Given> = {
  failed: () => ({ out: null, stages: [] }),
  async run({ out, data, ...given }, { signal, progress }) {
    if (data === undefined) {
      throw fail("data-not-given", {}, { hint: "say where the data is: `--data DATA`" });
    }
    if (out === undefined) {
      throw fail("out-missing", {}, { hint: "say where to write the model: `-o OUT`" });
    }
    const onProgress = (done: number, total: number, words: string) =>
      progress.update(out, done, total, words);
    const { stages, diagnostics, run } = await trainModel({
      ...given,
      out,
      data,
      signal,
      onProgress,
    });
    return {
      code: 0,
      json: {
        out,
        run,
        stages: stages.map((stage) => ({
          kind: stage.kind,
          steps: stage.steps,
          seconds_per_step: stage.secondsPerStep,
          loss_first: stage.lossFirst,
          loss_last: stage.lossLast,
          sites: stage.sites,
        })),
      },
      text: [
        ...stages.map(({ kind, steps, secondsPerStep, lossFirst, lossLast }) => {
          const time = `${showTime(1000 * secondsPerStep)} a step`;
          const losses = [lossFirst, lossLast].map((loss) => loss?.toPrecision(4) ?? "?");
          return `${kind}: ${plural(steps, "step")}, ${time}, loss ${losses.join(" -> ")}`;
        }),
        out,
      ].join("\n"),
      diagnostics,
    };
  },
};
