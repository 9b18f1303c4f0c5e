/** `graftc new PRESET -o OUT` */
import { fail } from "../../diag/diagnostic.ts";
import { showBytes, showTime } from "../../diag/figures.ts";
import { parameters as countParameters } from "../../measure/index.ts";
import { writeModel } from "../../onnx/index.ts";
import { createPreset } from "../../presets/index.ts";
import type { NewFlags } from "../flags.ts";
import type { Command } from "../outcome.ts";
import { version } from "../version.ts";

type Given = NewFlags & { readonly preset: string };

export const create: Command<Given> = {
  failed: ({ preset }) => ({ preset, out: null, parameters: null, bytes_written: 0 }),
  async run({ preset, out, ...sizes }, { progress, signal }) {
    if (!out) {
      throw fail("out-missing", {}, { hint: "say where to write the model: `-o OUT`" });
    }
    const begun = performance.now();
    const producer = { name: "graftc", version };
    const model = createPreset(preset, out, { ...sizes, producer });
    const parameters = countParameters(model);
    const onProgress = (done: number, total: number) => progress.update(out, done, total);
    const { bytesWritten } = await writeModel(model, out, { onProgress, signal });
    const time = showTime(performance.now() - begun);
    const count = parameters.toLocaleString("en-US");
    return {
      code: 0,
      json: { preset, out, parameters, bytes_written: bytesWritten },
      text: `${out}: ${preset}, ${count} parameters, ${showBytes(bytesWritten)}, ${time}`,
    };
  },
};
