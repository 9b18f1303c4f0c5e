import { error, note } from "../template.ts";

/** What is wrong with the data, or with a run folder. */
export const trainMessages = {
  "data-format": error`${"path"} is no data to train on: it is neither .safetensors, .npz nor .npy, nor a folder of them`,
  "data-folder": error`The folder ${"path"} has no .safetensors, .npz or .npy file`,
  "data-malformed": error`${"path"} is not a valid ${"format"} file: ${"why"}`,
  "data-shards": error`${"path"} does not continue ${"first"}: ${"why"}`,
  "data-missing": error`${"path"} has no tensor \`${"name"}\`, ${"type"}, which training needs`,
  "data-unusable": error`\`${"name"}\` in ${"path"} ${"why"}`,
  "data-type": error`\`${"name"}\` in ${"path"} holds ${"found"}, and the model takes ${"wanted"}`,
  "data-shape": error`A sample of \`${"name"}\` in ${"path"} is ${"found"}, and training needs ${"wanted"}`,
  "data-size": error`A sample of \`${"name"}\` in ${"path"} is ${"found"}, so ${"size"} is ${"here"}, but \`${"other"}\` makes it ${"there"}`,
  "data-empty": error`\`${"name"}\` in ${"path"} is empty`,
  "data-counts": error`${"path"} has ${"count"} samples of \`${"name"}\`, but ${"otherCount"} of \`${"other"}\``,
  "data-few": error`A batch is ${"batch"} samples, and there are only ${"count"}`,
  "data-subset": error`The recipe asks for ${"wanted"} samples, and ${"path"} has ${"count"}`,
  "data-not-finite": error`\`${"name"}\` in ${"path"} is ${"value"} in ${"place"}`,
  "data-range": error`\`${"name"}\` in ${"path"} is ${"value"} in ${"place"}, and the model takes ${"least"} to ${"most"}`,
  "data-unused": note`${"path"} also has ${"names"}, which training does not use`,

  "run-exists": error`${"path"} already holds a run`,
  "run-missing": error`${"path"} holds no run to resume`,
  "run-differs": error`${"path"} holds another run: ${"differences"}`,
  "run-interrupted": error`Stopped ${"when"}; ${"path"} keeps what was learned`,
  "run-damaged": error`${"path"} is damaged: ${"why"}`,
} as const;
