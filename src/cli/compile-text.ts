/** What a compile did, as people read it. */
import type { CompileResult, EditSummary } from "../compile.ts";
import { showBytes, showChange, showCount, showTime } from "./figures.ts";
import type { Colors } from "./shell.ts";
import { collapseSites } from "./sites.ts";

export function compileText(
  result: CompileResult,
  { milliseconds, colors }: { milliseconds: number; colors: Colors },
): string {
  const rows = [...totals(result), ...recipeRows(result), ...verifyRows(result)];
  rows.push(["", outcome(result, milliseconds)]);
  const width = Math.max(...rows.map(([label]) => label.length));
  return [
    ...result.edits.flatMap((edit) => editLines(edit, colors)),
    ...(result.edits.length > 0 ? [""] : []),
    ...rows.map(([label, text]) =>
      label === "" ? text : `${colors.dim(label.padEnd(width))}  ${text}`,
    ),
  ].join("\n");
}

type Row = readonly [label: string, text: string];

function editLines(edit: EditSummary, colors: Colors): string[] {
  const place = colors.dim(`${edit.file}:${edit.line}`);
  const gain = edit.parametersAdded - edit.parametersRemoved;
  const sign = gain > 0 ? "+" : "";
  const effects = [
    ...(gain === 0 ? [] : [`${sign}${showCount(gain)} parameters`]),
    ...(edit.flopsBefore === edit.flopsAfter
      ? []
      : [`FLOPs ${showChange(edit.flopsBefore, edit.flopsAfter)}`]),
  ];
  const sites = edit.sites.length === 0 ? "nothing" : collapseSites(edit.sites);
  const effect = effects.length > 0 ? colors.dim(`  ${effects.join(", ")}`) : "";
  return [`${colors.bold(edit.text)}  ${place}`, `  ${colors.green(sites)}${effect}`];
}

function totals({ before, after }: CompileResult): Row[] {
  const row = (label: string, from: number, to: number): Row[] => {
    const figures = from === to ? showCount(from) : `${showCount(from)} -> ${showCount(to)}`;
    return [[label, `${figures} (${showChange(from, to)})`]];
  };
  return [
    ...row("parameters", before.parameters, after.parameters),
    ...row("FLOPs", before.flops, after.flops),
  ];
}

function recipeRows({ recipes }: CompileResult): Row[] {
  return recipes.map(({ stage, place }) => ["not run", `${stage} (${place})`]);
}

function verifyRows({ verification }: CompileResult): Row[] {
  if (!verification) return [];
  const { largest, scale } = verification;
  const share = scale > 0 ? `, outputs up to ${scale.toPrecision(3)}` : "";
  return [["verified", `largest difference ${largest.toPrecision(3)}${share}`]];
}

function outcome({ out, bytesWritten }: CompileResult, milliseconds: number): string {
  const time = showTime(milliseconds);
  return out === null
    ? `nothing written (dry run), ${time}`
    : `${out}: ${showBytes(bytesWritten)} in ${time}`;
}
