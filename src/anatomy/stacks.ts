/** Named stacks of blocks with their parts and all nodes they own. */
import type { Node, Value } from "../ir/graph.ts";
import type { Dim } from "../ir/types.ts";
import { comesApart } from "../onnx-ops/skip-norms.ts";
import type { Block, Order, Part, Stack } from "./anatomy.ts";
import type { Findings } from "./branch.ts";
import type { BlockDraft, Drafts, StackDraft } from "./drafts.ts";
import type { Flow, Op, Wire } from "./flow.ts";
import { isGrafted } from "./grafted.ts";
import { gridOf } from "./grid.ts";
import { distinct, scopeOfPart, scopesOfBlocks, stackNames, tellPartsApart } from "./naming.ts";
import { collectNodes, type OwnNodes } from "./nodes.ts";
import { inDataOrder } from "./order.ts";
import { alignNorms, type PartDraft, type PartsOfBlock, partsOf } from "./parts.ts";

export function buildStacks(flow: Flow, drafts: Drafts, findings: Findings): Stack[] {
  const stacks = inDataOrder(flow, drafts.stacks);
  const blocks = stacks.flatMap((stack) => stack.blocks);
  const found = stacks.flatMap((stack) =>
    alignNorms(stack.blocks.map((block) => partsOf(block, findings))),
  );
  const inside = new Map(blocks.map((block, i) => [block, found[i]!]));
  const nodes = collectNodes({ flow, stacks, inside, findings });
  const scopes = stacks.map((stack) =>
    scopesOfBlocks(stack.blocks.map((block) => projectionsOf(block, findings))),
  );
  const names = stackNames(scopes);
  const prefixes = distinct(
    scopes.flat(),
    stacks.flatMap(({ blocks }, i) => blocks.map((_, index) => `${names[i]}.${index}`)),
  );
  const prefixOf = new Map(blocks.map((block, i) => [block, prefixes[i]!]));
  const built = stacks.map((stack, i) => {
    const build = (draft: BlockDraft, index: number) =>
      buildBlock({
        draft,
        index,
        scope: scopes[i]![index]!,
        prefix: prefixOf.get(draft)!,
        inside: inside.get(draft)!,
        nodes,
        findings,
      });
    const parts = stack.blocks.flatMap((block) => inside.get(block)!.parts);
    return { name: names[i]!, ...measuresOf(stack, parts), blocks: stack.blocks.map(build) };
  });
  return tellPartsApart(built);
}

interface Building {
  readonly draft: BlockDraft;
  readonly index: number;
  readonly scope: string;
  readonly prefix: string;
  readonly inside: PartsOfBlock;
  readonly nodes: OwnNodes;
  readonly findings: Findings;
}

function buildBlock(building: Building): Block {
  const { draft, index, scope, prefix, inside, nodes } = building;
  const parts = new Map<string, Part>();
  const refused = new Map<string, string>();
  for (const part of inside.parts) {
    const built = buildPart(part, building);
    if (typeof built === "string") refused.set(part.name, built);
    else parts.set(part.name, built);
  }
  return {
    index,
    scope,
    prefix,
    input: named(draft.input),
    output: named(draft.output),
    context: draft.second && {
      input: named(draft.second.input),
      output: leaving(draft.second.output, nodes.blocks.get(draft)!),
    },
    parts,
    refused,
    nodes: nodes.blocks.get(draft)!,
    style: inside.style,
    skips: draft.lead?.skips.flatMap((wire) => wire.value ?? []) ?? [],
    fused: nodes.fused.get(draft)!,
    opaque: nodes.shared.get(draft) ?? null,
  };
}

/** A part must begin and end at values of the model; inside of a fused operator there are none. */
function buildPart(part: PartDraft, { scope, prefix, nodes, findings }: Building): Part | string {
  if (part.refused) return part.refused;
  const outputs = part.outputs.flatMap((wire) => wire.value ?? []);
  // One term stands for a sum that is no value yet, until the operator comes apart.
  const fused = part.host.kind === "norm" && comesApart(part.ops[0]!.place);
  const x = part.x.value ?? (fused ? part.ops[0]!.place.inputs[0] : null);
  if (!x || outputs.length < part.outputs.length) {
    const operator = (part.x.value ? part.outputs[0]! : part.x).from?.place.opType;
    return `${operator} computes it together with what is around it`;
  }
  const { joined } = part;
  return {
    name: part.name,
    scope: scopeOfPart(part.name, linearNodes(part.ops, findings), { scope, prefix }),
    nodes: nodes.parts.get(part)!,
    x,
    context: part.context?.value ?? null,
    contextOrder: part.contextOrder,
    keeps: part.keeps,
    outputs,
    joined: joined?.x.value && joined.y.value ? { x: joined.x.value, y: joined.y.value } : null,
    host: part.host,
  };
}

/** The end of a second stream, where anything outside of the block reads it. */
function leaving(end: Wire | null, nodes: ReadonlySet<Node>): Value | null {
  const value = end?.value;
  const read = value && [...value.uses].some(({ node }) => !nodes.has(node));
  return read ? value : null;
}

function named(wire: Wire): Value {
  if (!wire.value) throw new Error("a block ends inside of a fused operator");
  return wire.value;
}

function linearNodes(ops: readonly Op[], { linears, coreOf }: Findings): Node[] {
  const weighted = ops.filter((op) => linears.byOp.has(op) || coreOf.has(op));
  const own = weighted.filter((op) => linears.byOp.get(op)?.op === op);
  return (own.length > 0 ? own : weighted).map((op) => op.place);
}

function projectionsOf(block: BlockDraft, findings: Findings): Node[] {
  return block.steps.flatMap(({ step }) =>
    step.drafts.flatMap(({ branch }) => linearNodes(branch.ops, findings)),
  );
}

function measuresOf(
  stack: StackDraft,
  parts: readonly PartDraft[],
): Pick<Stack, "width" | "tokens" | "order" | "heads" | "grid"> {
  const first = stack.blocks[0]!;
  const shape = first.input.value?.type?.shape ?? first.output.value?.type?.shape ?? null;
  const last = shape?.at(-1);
  const map = first.steps.flatMap(({ step }) => step.drafts.flatMap((d) => d.branch.linears))[0];
  const own = headsOf(parts, "attn");
  const heads = own.length > 0 ? own : headsOf(parts, "cross_attn");
  const order = orderOf(parts, shape?.length ?? 0);
  const counts = stack.blocks.map(({ input }) => {
    const own = input.value?.type?.shape ?? shape;
    return order === "B,N,D" ? tokensOf(own) : (own?.[0] ?? null);
  });
  // The runtime keeps the names of sizes for a few blocks only: others are taken to have as many.
  const told = new Set(counts.filter((count) => count !== null));
  const tokens = told.size === 1 ? [...told][0]! : null;
  return {
    width: typeof last === "number" ? last : (map?.in ?? 0),
    tokens,
    order,
    heads: new Set(heads).size === 1 ? heads[0]! : null,
    grid: shape?.length === 4 ? [shape[1]!, shape[2]!] : gridOf(first.input, tokens),
  };
}

/** What attentions show, and operators that took the place of some; others may lie either way. */
function orderOf(parts: readonly PartDraft[], rank: number): Order {
  const orders = parts.flatMap((part) => shownBy(part, rank) ?? []);
  if (orders.includes("N,B,D")) return "N,B,D";
  const alone = orders.length > 0 && orders.every((order) => order === "N,D");
  return alone && rank === 2 ? "N,D" : "B,N,D";
}

function shownBy({ host, order, x, ops }: PartDraft, rank: number): Order | null {
  if (host.kind === "attention") return order;
  if (!ops.some(isGrafted)) return null;
  if (rank === 2) return "N,D";
  const readers = x.uses.filter((op) => ops.includes(op));
  return readers.length > 0 && readers.every(turnsSamplesFirst) ? "N,B,D" : "B,N,D";
}

function turnsSamplesFirst({ type, node }: Op): boolean {
  return type === "Transpose" && String(node.ints("perm")) === "1,0,2";
}

function headsOf(parts: readonly PartDraft[], name: string): number[] {
  return parts.flatMap((part) =>
    part.name === name && part.host.kind === "attention" ? [part.host.heads] : [],
  );
}

function tokensOf(shape: readonly Dim[] | null): Dim {
  if (!shape || shape.length < 2) return null;
  if (shape.length === 4) {
    const [rows, columns] = [shape[1], shape[2]];
    return typeof rows === "number" && typeof columns === "number" ? rows * columns : null;
  }
  return shape.length === 3 ? shape[1]! : null;
}
