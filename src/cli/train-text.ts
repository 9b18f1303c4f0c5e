/** What training did, or would take, as people read it. */

import { plural, showBytes, showTime } from "../diag/figures.ts";
import { showExplanation } from "../explain/explanation.ts";
import type { StageResult, TrainResult } from "../train.ts";
import { differenceText } from "./compile-text.ts";

export function trainText(result: TrainResult, explain: boolean): string {
  const { out, run, stages, bytesWritten, verification, explanations } = result;
  return [
    ...(explain ? explanations.map((each) => `${showExplanation(each)}\n`) : []),
    ...stages.map(stageText),
    ...(verification?.outputs ?? []).map((each) => `difference: ${differenceText(each)}`),
    out === null
      ? "nothing written (dry run)"
      : `${out}: ${showBytes(bytesWritten)}; log and chart in ${run}`,
  ].join("\n");
}

function stageText({ kind, steps, secondsPerStep, ...stage }: StageResult): string {
  const each = `${showTime(1000 * secondsPerStep)} a step`;
  if (stage.memory) {
    const { estimated, measured } = stage.memory;
    const all = `${plural(steps, "step")} take${steps === 1 ? "s" : ""} ${showTime(1000 * steps * secondsPerStep)}`;
    const memory = `${showBytes(measured)} of memory (${showBytes(estimated.total)} estimated)`;
    return `${kind}: ${all}, ${each}, ${memory}`;
  }
  const losses = [stage.lossFirst, stage.lossLast].map((loss) => loss?.toPrecision(4) ?? "?");
  return `${kind}: ${plural(steps, "step")}, ${each}, loss ${losses.join(" -> ")}`;
}
