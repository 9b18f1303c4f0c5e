import { error } from "../template.ts";

export const objectiveMessages = {
  "output-is-no-noise": error`The output ${"output"} is no noise of samples ${"sample"}: it is neither as large nor, with a learned variance, twice as large in one axis`,
  "nothing-to-adapt": error`\`lora\` adapts linear weights, and none is among the trained ones`,
};
