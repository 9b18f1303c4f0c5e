/** The report that `graftc inspect` prints for people. */
import { showShape } from "../ir/types.ts";
import { describePart } from "./describe.ts";
import type { BlockView, Inspection, Port, StackView } from "./inspection.ts";

/** What a terminal offers; the identity where there are no colours. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
}

export function inspectionText(inspection: Inspection, paint: Paint): string {
  const { stacks, unplaced, remarks } = inspection;
  const sections = [header(inspection, paint), ...stacks.map((stack) => stackText(stack, paint))];
  const notes = [
    ...(unplaced > 0 ? [`${count(unplaced, "node")} with weights in no known place`] : []),
    ...remarks,
  ];
  if (notes.length > 0)
    sections.push(notes.map((note) => `${paint.dim("note")}  ${note}`).join("\n"));
  return sections.join("\n\n");
}

function header({ model, inputs, outputs }: Inspection, paint: Paint): string {
  const opsets = Object.entries(model.opsets).map(
    ([domain, version]) => `${domain === "" ? "opset" : domain} ${version}`,
  );
  const size = [
    count(model.nodes, "node"),
    `${short(model.parameters)} parameters`,
    `${short(model.bytes, " ")}B`,
  ];
  const lines = [
    [paint.bold(model.path), size.join(", ")],
    ["written by", [model.producer || "unknown", `IR ${model.ir_version}`, ...opsets].join(", ")],
    ...inputs.map((port, i) => [i === 0 ? "inputs" : "", showPort(port)]),
    ...outputs.map((port, i) => [i === 0 ? "outputs" : "", showPort(port)]),
  ];
  const [first, ...rest] = lines;
  return [
    `${first![0]}  ${first![1]}`,
    ...rest.map(([label, text]) => `  ${paint.dim(label!.padEnd(10))}  ${text}`),
  ].join("\n");
}

function showPort({ name, type, inferred }: Port): string {
  return `${name}  ${type ?? "?"}${showShape(inferred)}`;
}

function stackText(stack: StackView, paint: Paint): string {
  const { name, blocks, width, tokens, grid, heads } = stack;
  const facts = [
    count(blocks.length, "block"),
    `width ${width}`,
    ...(tokens === null ? [] : [`${tokens} tokens${grid ? ` (${grid.join(" x ")})` : ""}`]),
    ...(heads === null ? [] : [`${count(heads, "head")}`]),
  ];
  const groups = alike(blocks);
  return [
    `${paint.bold(name)}  ${facts.join(", ")}`,
    ...groups.flatMap((group) => groupLines(name, group, paint)),
  ].join("\n");
}

/** Blocks of one description, in order of their first. */
function alike(blocks: readonly BlockView[]): BlockView[][] {
  const groups = new Map<string, BlockView[]>();
  for (const block of blocks) {
    const key = linesOf(block).join("\n");
    const group = groups.get(key);
    if (group) group.push(block);
    else groups.set(key, [block]);
  }
  return [...groups.values()];
}

function groupLines(stack: string, blocks: readonly BlockView[], paint: Paint): string[] {
  const [first] = blocks;
  const last = blocks.at(-1)!;
  const scopes = first === last ? first!.scope : `${first!.scope} .. ${last.scope}`;
  const each = blocks.length > 1 ? " each" : "";
  const facts = [
    ...(first!.scope === "" ? [] : [scopes]),
    `${range(blocks.map((block) => block.nodes))} nodes${each}`,
    `${range(
      blocks.map((block) => block.parameters),
      short,
    )} parameters${each}`,
  ];
  const label = `${stack}[${indices(blocks.map((block) => block.index))}]`;
  return [
    `  ${label}  ${paint.dim(facts.join(", "))}`,
    ...linesOf(first!).map((line) => `    ${line}`),
  ];
}

function linesOf({ parts, refused, opaque, style, skips }: BlockView): string[] {
  const names = [...Object.keys(parts), ...Object.keys(refused)];
  const wide = Math.max(...names.map((name) => name.length), 0);
  return [
    ...Object.entries(parts).map(([name, part]) => `${name.padEnd(wide)}  ${describePart(part)}`),
    ...Object.entries(refused).map(([name, why]) => `${name.padEnd(wide)}  not offered: ${why}`),
    ...(skips > 0 ? ["(an earlier point of the stream comes in at its start)"] : []),
    ...(style === "pre-norm" ? [] : [`(${style})`]),
    ...(opaque ? [`(not to be taken out or copied as a whole: ${opaque})`] : []),
  ];
}

/** Indices as selections write them: `0, 3, 5..9`, `1..27 by 2`. */
export function indices(list: readonly number[]): string {
  const step = (list[1] ?? 0) - (list[0] ?? 0);
  if (list.length > 3 && step > 1 && list.every((x, i) => x === list[0]! + i * step)) {
    return `${list[0]}..${list.at(-1)} by ${step}`;
  }
  const runs: [number, number][] = [];
  for (const x of list) {
    const run = runs.at(-1);
    if (run && run[1] === x - 1) run[1] = x;
    else runs.push([x, x]);
  }
  return runs
    .map(([a, b]) => (a === b ? `${a}` : b === a + 1 ? `${a}, ${b}` : `${a}..${b}`))
    .join(", ");
}

function range(list: readonly number[], show: (x: number) => string = String): string {
  const [low, high] = [Math.min(...list), Math.max(...list)];
  return low === high ? show(low) : `${show(low)} to ${show(high)}`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** Three digits and a suffix in powers of 1000. */
function short(value: number, gap = ""): string {
  const steps = ["", "K", "M", "G", "T"];
  let size = value;
  let step = 0;
  for (; size >= 999.5 && step < steps.length - 1; step++) size /= 1000;
  const digits = step === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${size.toFixed(digits)}${gap}${steps[step]}`;
}
