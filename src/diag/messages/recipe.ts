import { error } from "../template.ts";

export const recipeMessages = {
  "trains-nothing": error`The recipe selects no weight to train`,
  "nothing-to-distill": error`Nothing was replaced, resized or paired, so there is nothing to distil`,
  "has-no-weights": error`${"selection"} has no weight to train`,
  "not-distilled": error`\`distill\` trains its sites, and ${"selection"} is none of them`,
  "no-recipe": error`No edit file has a \`distill\` or \`finetune\` block`,
  "recipe-twice": error`There are two \`${"stage"}\` blocks`,
  "no-role": error`\`${"objective"}\` needs the ${"role"} input of the model, and none was found`,
  "no-label": error`\`${"key"}\` ${"why"}`,
  "step-failed": error`Step ${"step"} failed in ONNX Runtime: ${"reason"}`,
  "objective-needs": error`The objective \`${"objective"}\` ${"why"}`,
  "site-reads-new": error`${"site"} cannot be distilled alone: it reads \`${"value"}\`, which the original model does not have`,
  "loss-not-finite": error`The loss is ${"loss"} in step ${"step"}`,
  "gradient-not-finite": error`The gradient is not finite in step ${"step"}`,
  "batch-not-whole": error`A batch of ${"batch"} is no multiple of ${"fixed"}, the batch that the model is made for`,
  "memory-short": error`Training needs some ${"needed"}, and ${"available"} are free`,
};
