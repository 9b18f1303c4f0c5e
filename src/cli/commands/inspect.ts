/** `graftc inspect MODEL` */
import { inspectionText } from "../../inspect/index.ts";
import { inspect as inspectModel } from "../../views.ts";
import type { Command } from "../outcome.ts";

interface Given {
  readonly model: string;
}

export const inspect: Command<Given> = {
  failed: () => ({ model: null, inputs: [], outputs: [], stacks: [], unplaced: null }),
  async run({ model }, { colors, signal }) {
    const inspection = await inspectModel(model, signal);
    return {
      code: 0,
      json: { ...inspection },
      text: inspectionText(inspection, colors),
      essential: true,
    };
  },
};
