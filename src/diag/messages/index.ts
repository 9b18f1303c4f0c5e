/** Every message of graftc, by its code: one table, a file for each stage that reports. */
import { cliMessages } from "./cli.ts";
import { gradientMessages } from "./gradients.ts";
import { modelMessages } from "./model.ts";
import { objectiveMessages } from "./objectives.ts";
import { operatorMessages } from "./operator.ts";
import { planMessages } from "./plan.ts";
import { recipeMessages } from "./recipe.ts";
import { runtimeMessages } from "./runtime.ts";
import { syntaxMessages } from "./syntax.ts";
import { trainMessages } from "./train.ts";

export const messages = {
  ...syntaxMessages,
  ...modelMessages,
  ...planMessages,
  ...operatorMessages,
  ...gradientMessages,
  ...objectiveMessages,
  ...cliMessages,
  ...runtimeMessages,
  ...recipeMessages,
  ...trainMessages,
};

export type Code = keyof typeof messages;
