/** `graftc inspect MODEL` */
import { dissect } from "../../dissect.ts";
import { inspectionOf, inspectionText } from "../../inspect/index.ts";
import type { Command } from "../outcome.ts";

interface Given {
  readonly model: string;
}

export const inspect: Command<Given> = {
  failed: () => ({ model: null, inputs: [], outputs: [], stacks: [], unplaced: null }),
  async run({ model: path }, { colors }) {
    const { model, anatomy } = await dissect(path);
    const inspection = inspectionOf(model, anatomy);
    return {
      code: 0,
      json: { ...inspection },
      text: inspectionText(inspection, colors),
      essential: true,
    };
  },
};
