/** Anatomy in a few lines that a test can hold: one line a stack, one for each kind of block. */
import type {
  Anatomy,
  AttentionHost,
  Block,
  MlpHost,
  Part,
  Rotation,
  Stack,
  Turn,
} from "../../src/anatomy/anatomy.ts";
import { indices } from "../../src/inspect/text.ts";
import { comesApart } from "../../src/onnx-ops/skip-norms.ts";

export interface SummaryOptions {
  /** Module paths; without them a summary depends on structure alone. */
  readonly scopes: boolean;
}

export function summaryOf(
  { stacks, unplaced, remarks }: Anatomy,
  options: SummaryOptions,
): string[] {
  const lines = stacks.flatMap((stack) => stackLines(stack, options));
  if (unplaced.length > 0) lines.push(`unplaced: ${unplaced.length}`);
  return [...lines, ...remarks.map((remark) => `remark: ${remark}`)];
}

function stackLines(stack: Stack, { scopes }: SummaryOptions): string[] {
  const { name, blocks, width, heads, tokens, grid } = stack;
  const size = `${blocks.length} x ${width}, ${tokens} tokens${grid ? ` (${grid.join(" x ")})` : ""}`;
  const groups = new Map<string, number[]>();
  for (const block of blocks) {
    const key = blockLine(block);
    groups.set(key, [...(groups.get(key) ?? []), block.index]);
  }
  const place = scopes ? ` at ${[...new Set(blocks.map(({ scope }) => scope))].join(" ")}` : "";
  return [
    `${scopes ? name : "stack"}: ${size}, heads ${heads}${place}`,
    ...[...groups].map(([line, list]) => `  [${indices(list)}] ${line}`),
  ];
}

function blockLine({ parts, refused, context, fused, opaque, style, skips }: Block): string {
  const pieces = [...parts.values()].map(partWords);
  if (skips.length > 0) pieces.unshift("long skip");
  for (const [name, why] of refused) pieces.push(`${name} refused: ${why}`);
  if (context) pieces.push(context.output ? "second stream" : "second stream ends");
  if (style !== "pre-norm") pieces.push(style);
  if (fused.size > 0) pieces.push(`${fused.size} to come apart`);
  if (opaque) pieces.push(`opaque: ${opaque}`);
  return pieces.join(" | ");
}

function partWords({ name, host, nodes }: Part): string {
  switch (host.kind) {
    case "norm":
      return `${name} ${host.norm}${[...nodes].some(comesApart) ? " fused" : ""}`;
    case "other":
      return `${name} ${host.what}: ${host.opaque}`;
    case "mlp":
      return `${name} ${mlpWords(host)}`;
    case "attention":
      return `${name} ${attentionWords(host)}`;
  }
}

function mlpWords(host: MlpHost): string {
  const gate = host.gate ? (host.gate.weight === host.fc1.weight ? " gated in one" : " gated") : "";
  return `${host.activation}${gate} ${host.hidden}${host.opaque ? `: ${host.opaque}` : ""}`;
}

function rotationWords({ q, k }: Rotation): string {
  const of = ({ layout, layoutOut }: Turn) => `${layout} to ${layoutOut}`;
  // What is not rotated has no layout of its own.
  const turns = [q, k].filter(({ from, to }) => from !== to).map(of);
  return `rotated ${[...new Set(turns)].join(", keys ")}`;
}

function attentionWords(host: AttentionHost): string {
  const { heads, kvHeads, headDim, rotation, joint } = host;
  const words = [
    `${heads}${kvHeads === heads ? "" : `/${kvHeads}`}x${headDim}`,
    `scale ${host.scale.toPrecision(3)}`,
    host.qkv ? "fused" : host.q.order ? "interleaved" : "",
    joint ? "joint" : "",
    host.causal ? "causal" : host.masks.length > 0 ? "masked" : "",
    rotation ? rotationWords(rotation) : "",
    host.cache ? "cached" : "",
    host.out ? "" : "no out",
    host.holdsMlp ? "with mlp" : "",
    host.form === "decomposed" ? "" : host.form,
  ];
  const known = words.filter((word) => word !== "").join(" ");
  return host.opaque ? `${known}: ${host.opaque}` : known;
}
