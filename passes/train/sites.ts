/** Sites of distill: replaced and resized parts, and pairs; each with its place in the original. */
import type { Anatomy, Block, Part } from "../../src/anatomy/anatomy.ts";
import type { Node, Value } from "../../src/ir/graph.ts";
import type { Site } from "../../src/plan/plan.ts";
import { nodesOf, now, type Session, siteNodes } from "../session.ts";
import type { Edited } from "./parameters.ts";

export interface DistillSite {
  /** `blocks[1].attn`, or `blocks[0, 1]` of a pair. */
  readonly label: string;
  /** Which loss of the recipe is its own. */
  readonly kind: "attn" | "mlp" | "block";
  /** What stands there now. */
  readonly nodes: ReadonlySet<Node>;
  /** What enters: here, and in the original. */
  readonly inputs: readonly (readonly [here: Value, original: Value])[];
  /** What leaves; the original's is what the site learns. */
  readonly outputs: readonly (readonly [here: Value, original: Value])[];
}

/** @param original of the same model, read anew and not edited. */
export function distillSites({ plan, session }: Edited, original: Anatomy): DistillSite[] {
  const pairs = plan.edits.flatMap((edit) => (edit.verb === "parallelize" ? edit.pairs : []));
  const paired = new Set(pairs.flat().map(({ block }) => block));
  const parts = plan.edits
    .filter((edit) => edit.verb === "replace" || edit.verb === "resize")
    .flatMap((edit) => edit.sites)
    .filter(({ block, part }) => !part || !paired.has(block))
    .map((site) => single(site, session, original));
  return [...parts, ...pairs.map((pair) => double(pair, session, original))].filter(isThere);
}

/** Not where a later edit took it away. */
function isThere({ outputs }: DistillSite): boolean {
  return outputs.every(([here]) => here.producer?.graph);
}

function single(site: Site, session: Session, original: Anatomy): DistillSite {
  const block = blockOf(site, original);
  const part = site.part ? block.parts.get(site.part.name)! : null;
  const face = part ? faceOf(part) : faceOfBlock(block);
  const mine = site.part ? faceOf(site.part) : faceOfBlock(site.block);
  return {
    label: site.label,
    kind: kindOf(part),
    nodes: siteNodes(session, { sites: [site] }),
    inputs: mine.inputs.map((value, i) => [now(session, value), face.inputs[i]!]),
    outputs: mine.outputs.map((value, i) => [now(session, value), face.outputs[i]!]),
  };
}

function double(
  [first, second]: readonly [Site, Site],
  session: Session,
  original: Anatomy,
): DistillSite {
  const [before, after] = [blockOf(first, original), blockOf(second, original)];
  const here = {
    inputs: faceOfBlock(first.block).inputs,
    outputs: faceOfBlock(second.block).outputs,
  };
  const there = { inputs: faceOfBlock(before).inputs, outputs: faceOfBlock(after).outputs };
  return {
    label: `${first.stack.name}[${first.block.index}, ${second.block.index}]`,
    kind: "block",
    nodes: new Set([...nodesOf(session, first.block), ...nodesOf(session, second.block)]),
    inputs: here.inputs.map((value, i) => [now(session, value), there.inputs[i]!]),
    outputs: here.outputs.map((value, i) => [now(session, value), there.outputs[i]!]),
  };
}

function blockOf({ stack, block }: Site, { stacks }: Anatomy): Block {
  const twin = stacks.find(({ name }) => name === stack.name)?.blocks[block.index];
  if (!twin) throw new Error(`the original has no ${stack.name}[${block.index}]`);
  return twin;
}

interface Face {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

function faceOf({ x, context, outputs }: Part): Face {
  return { inputs: context ? [x, context] : [x], outputs };
}

function faceOfBlock({ input, output, context }: Block): Face {
  return {
    inputs: context ? [input, context.input] : [input],
    outputs: context?.output ? [output, context.output] : [output],
  };
}

function kindOf(part: Part | null): DistillSite["kind"] {
  if (part?.host.kind === "attention") return "attn";
  return part?.host.kind === "mlp" ? "mlp" : "block";
}
