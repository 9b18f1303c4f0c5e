import type { TrainOptions } from "./options.ts";

/** The command line that goes on with a run. */
export function commandToResume(options: TrainOptions): string {
  const { model, edits, data, out, set, weights, seed } = options;
  const flag = (name: string, value: string | number | undefined) =>
    value === undefined ? [] : [name, String(value)];
  const words = [
    ...["graftc", "train", model, ...edits],
    ...flag("--data", data),
    ...flag("-o", out ?? undefined),
    ...flag("--run", options.run),
    ...Object.entries(set ?? {}).flatMap(([name, value]) => ["--set", `${name}=${value}`]),
    ...(seed ? flag("--seed", seed) : []),
    ...(weights ?? []).flatMap((file) => ["--weights", file]),
    ...(options.weightsPartial ? ["--weights-partial"] : []),
    ...flag("--analysis", options.analysis),
    ...flag("--steps", options.steps),
    ...flag("--batch", options.batch),
    ...(options.external && options.external !== "auto" ? ["--external", options.external] : []),
    ...(options.verify ? ["--verify"] : []),
    ...(options.device && options.device !== "cpu" ? ["--device", options.device] : []),
    "--resume",
  ];
  return words.map(quoted).join(" ");
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
