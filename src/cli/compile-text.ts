/** What a compile did, as people read it. */
import type { OutputComparison } from "../../runtime/index.ts";
import type { CompileResult } from "../compile.ts";
import { plural, showBytes, showChange, showCount, showTime } from "../diag/figures.ts";
import { showExplanation } from "../explain/explanation.ts";
import type { Colors } from "./shell.ts";
import { collapseSites } from "./sites.ts";

export interface CompileTextOptions {
  readonly milliseconds: number;
  readonly colors: Colors;
  readonly explain: boolean;
}

export function compileText(result: CompileResult, options: CompileTextOptions): string {
  const { milliseconds, colors, explain } = options;
  const rows = [
    ...totals(result),
    ...weightRows(result),
    ...recipeRows(result),
    ...verifyRows(result),
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return [
    ...(explain ? result.explanations.map((each) => `${showExplanation(each)}\n`) : []),
    ...result.edits.flatMap((edit) => editLines(edit, colors)),
    ...(result.edits.length > 0 ? [""] : []),
    ...rows.map(([label, text]) => `${colors.dim(label.padEnd(width))}  ${text}`),
    outcome(result, milliseconds),
  ].join("\n");
}

type Row = readonly [label: string, text: string];
type EditSummary = CompileResult["edits"][number];

/** The statement and its line, then where it took effect and what that cost or saved. */
function editLines(edit: EditSummary, colors: Colors): string[] {
  const place = colors.dim(`${edit.file}:${edit.line}`);
  const gain = edit.parametersAdded - edit.parametersRemoved;
  const noun = Math.abs(gain) === 1 ? "parameter" : "parameters";
  const effects = [
    ...(gain === 0 ? [] : [`${gain > 0 ? "+" : ""}${showCount(gain)} ${noun}`]),
    ...(edit.flopsBefore === edit.flopsAfter
      ? []
      : [`${showChange(edit.flopsBefore, edit.flopsAfter)} FLOPs`]),
  ];
  const sites = edit.sites.length === 0 ? "nothing" : collapseSites(edit.sites);
  const effect = effects.length > 0 ? `  ${effects.join(", ")}` : "";
  return [`${colors.bold(edit.text)}  ${place}`, `  ${colors.green(sites)}${effect}`];
}

function totals({ before, after }: CompileResult): Row[] {
  const row = (label: string, from: number, to: number): Row =>
    from === to
      ? [label, showCount(from)]
      : [label, `${showCount(from)} -> ${showCount(to)} (${showChange(from, to)})`];
  return [
    row("parameters", before.parameters, after.parameters),
    ...(before.flops === null || after.flops === null
      ? []
      : [row("FLOPs", before.flops, after.flops)]),
  ];
}

function weightRows({ weightsLoaded }: CompileResult): Row[] {
  return weightsLoaded === 0 ? [] : [["weights", `${plural(weightsLoaded, "tensor")} loaded`]];
}

function recipeRows({ recipes }: CompileResult): Row[] {
  return recipes.map(({ stage, place }) => ["not run", `${stage} (${place}), a recipe`]);
}

function verifyRows({ verification }: CompileResult): Row[] {
  return (verification?.outputs ?? []).map((each) => ["difference", differenceText(each)]);
}

export function differenceText({ name, absolute, scale, bound }: OutputComparison): string {
  const share = `${absolute.toPrecision(3)} at most, of values up to ${scale.toPrecision(3)}`;
  const held = bound === null ? "" : `; rounding explains ${bound.toPrecision(3)}`;
  return `${name}: ${share}${held}`;
}

function outcome({ out, bytesWritten }: CompileResult, milliseconds: number): string {
  const time = showTime(milliseconds);
  return out === null
    ? `nothing written (dry run), ${time}`
    : `${out}: ${showBytes(bytesWritten)} in ${time}`;
}
