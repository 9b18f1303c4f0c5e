/** Named stacks of blocks with their parts and all nodes they own. */
import type { Node, Value } from "../ir/graph.ts";
import type { Dim } from "../ir/types.ts";
import type { Block, Part, Stack } from "./anatomy.ts";
import type { Findings } from "./branch.ts";
import type { BlockDraft, Drafts, StackDraft } from "./drafts.ts";
import type { Flow, Op, Wire } from "./flow.ts";
import { gridOf } from "./grid.ts";
import { scopeOfPart, scopesOfBlocks, stackNames } from "./naming.ts";
import { collectNodes, type OwnNodes } from "./nodes.ts";
import { inDataOrder } from "./order.ts";
import { type PartDraft, type PartsOfBlock, partsOf } from "./parts.ts";

export function buildStacks(flow: Flow, drafts: Drafts, findings: Findings): Stack[] {
  const stacks = inDataOrder(flow, drafts.stacks);
  const blocks = stacks.flatMap((stack) => stack.blocks);
  const inside = new Map(blocks.map((block) => [block, partsOf(block, findings)]));
  const nodes = collectNodes({ flow, stacks, inside, findings });
  const scopes = stacks.map((stack) =>
    scopesOfBlocks(stack.blocks.map((block) => projectionsOf(block, findings))),
  );
  const names = stackNames(scopes);
  return stacks.map((stack, i) => {
    const build = (draft: BlockDraft, index: number) =>
      buildBlock({
        draft,
        index,
        scope: scopes[i]![index]!,
        label: `${names[i]}.${index}`,
        inside: inside.get(draft)!,
        nodes,
        findings,
      });
    const built = stack.blocks.map(build);
    return { name: names[i]!, ...measuresOf(stack, built), blocks: built };
  });
}

interface Building {
  readonly draft: BlockDraft;
  readonly index: number;
  readonly scope: string;
  readonly label: string;
  readonly inside: PartsOfBlock;
  readonly nodes: OwnNodes;
  readonly findings: Findings;
}

function buildBlock(building: Building): Block {
  const { draft, index, scope, inside, nodes } = building;
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
    input: named(draft.input),
    output: named(draft.output),
    context: draft.second && {
      input: named(draft.second.input),
      output: draft.second.output && named(draft.second.output),
    },
    parts,
    refused,
    nodes: nodes.blocks.get(draft)!,
    style: inside.style,
    opaque: nodes.shared.get(draft) ?? null,
  };
}

/** A part must begin and end at values of the model; inside of a fused operator there are none. */
function buildPart(part: PartDraft, { scope, label, nodes, findings }: Building): Part | string {
  const outputs = part.outputs.flatMap((wire) => wire.value ?? []);
  const x = part.x.value ?? (part.host.kind === "norm" ? part.ops[0]!.place.inputs[0] : null);
  if (!x || outputs.length < part.outputs.length) {
    const operator = (part.x.value ? part.outputs[0]! : part.x).from?.place.opType;
    return `${operator} computes it together with what is around it`;
  }
  return {
    name: part.name,
    scope: scopeOfPart(part.name, linearNodes(part.ops, findings), { scope, label }),
    nodes: nodes.parts.get(part)!,
    x,
    context: part.context?.value ?? null,
    outputs,
    host: part.host,
  };
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
  blocks: readonly Block[],
): Pick<Stack, "width" | "tokens" | "heads" | "grid"> {
  const first = stack.blocks[0]!;
  const shape = first.input.value?.type?.shape ?? first.output.value?.type?.shape ?? null;
  const last = shape?.at(-1);
  const map = first.steps.flatMap(({ step }) => step.drafts.flatMap((d) => d.branch.linears))[0];
  const own = headsOf(blocks, "attn");
  const heads = own.length > 0 ? own : headsOf(blocks, "cross_attn");
  const tokens = tokensOf(shape);
  return {
    width: typeof last === "number" ? last : (map?.in ?? 0),
    tokens,
    heads: new Set(heads).size === 1 ? heads[0]! : null,
    grid: gridOf(first.input, tokens),
  };
}

function headsOf(blocks: readonly Block[], name: string): number[] {
  return blocks.flatMap(({ parts }) => {
    const host = parts.get(name)?.host;
    return host?.kind === "attention" ? [host.heads] : [];
  });
}

function tokensOf(shape: readonly Dim[] | null): Dim {
  if (!shape || shape.length < 2) return null;
  if (shape.length === 4) {
    const [rows, columns] = [shape[1], shape[2]];
    return typeof rows === "number" && typeof columns === "number" ? rows * columns : null;
  }
  return shape.length === 3 ? shape[1]! : null;
}
