/** What the edits of one run share: the graph as it is now, and what they did to it. */
import type { Block, Part } from "../src/anatomy/anatomy.ts";
import type { Reporter } from "../src/diag/diagnostic.ts";
import type { Model, Node, Value } from "../src/ir/graph.ts";
import type { Oracle } from "../src/ir/oracle.ts";
import type { Layout } from "../src/lower/index.ts";
import type { SharedConstants } from "../src/onnx-ops/constants.ts";
import { Patch, type Stamp } from "../src/onnx-ops/patch.ts";
import type { PlannedEdit, Site } from "../src/plan/plan.ts";

export interface Session {
  readonly model: Model;
  readonly oracle: Oracle;
  readonly seed: number;
  readonly reporter: Reporter;
  /** What stands where a value of the input stood. */
  readonly successors: Map<Value, Value>;
  /** Nodes that edits grew in a block. */
  readonly grown: Map<Block, Set<Node>>;
  /** Weights that edits added, by stored name. */
  readonly weights: Map<string, AddedWeight>;
  /** Large constants, which no block owns. */
  readonly constants: SharedConstants;
  /** Edits that leave the function as it was. */
  readonly kept: Set<PlannedEdit>;
}

/** A new initializer. */
export interface AddedWeight {
  readonly name: string;
  /** `blocks[1].attn` */
  readonly site: string;
  /** Of the matrix of a linear layer; null for what lies as PyTorch has it. */
  readonly layout: Layout | null;
}

export function openSession(
  model: Model,
  oracle: Oracle,
  seed: number,
  reporter: Reporter,
): Session {
  return {
    model,
    oracle,
    seed,
    reporter,
    successors: new Map(),
    grown: new Map(),
    weights: new Map(),
    constants: new Map(),
    kept: new Set(),
  };
}

/** The value that a value of the input has become. */
export function now(session: Session, value: Value): Value {
  let current = value;
  for (let next = session.successors.get(current); next; next = session.successors.get(current)) {
    current = next;
  }
  return current;
}

/** The nodes of a block that are still there, and those that edits grew in it. */
export function nodesOf(session: Session, block: Block): Set<Node> {
  const grown = session.grown.get(block) ?? [];
  return new Set([...block.nodes, ...grown].filter((node) => node.graph === session.model.graph));
}

/** All that edits grew, in blocks and between them. */
export function grownNodes({ grown, constants }: Session): Set<Node> {
  const shared = [...constants.values()].flatMap(({ producer }) => producer ?? []);
  return new Set([...[...grown.values()].flatMap((nodes) => [...nodes]), ...shared]);
}

/** The nodes that stand at sites now. */
export function siteNodes(session: Session, { sites }: Pick<PlannedEdit, "sites">): Set<Node> {
  const nodes = new Set<Node>();
  for (const { block, part, label } of sites) {
    if (!part) for (const node of nodesOf(session, block)) nodes.add(node);
    else {
      for (const node of part.nodes) if (node.graph) nodes.add(node);
      for (const node of session.grown.get(block) ?? []) {
        if (node.graph && node.metadata.get("graftc.site") === label) nodes.add(node);
      }
    }
  }
  return nodes;
}

/** The part as it stands now: its values and nodes after earlier edits. */
export function partNow(session: Session, part: Part): Part {
  return {
    ...part,
    nodes: new Set([...part.nodes].filter((node) => node.graph === session.model.graph)),
    x: now(session, part.x),
    context: part.context && now(session, part.context),
    outputs: part.outputs.map((value) => now(session, value)),
  };
}

/** The block with the streams that enter and leave it now. */
export function blockNow(session: Session, block: Block): Block {
  const { context } = block;
  return {
    ...block,
    input: now(session, block.input),
    output: now(session, block.output),
    context: context && {
      input: now(session, context.input),
      output: context.output && now(session, context.output),
    },
  };
}

export function stampOf(edit: PlannedEdit, site: Site): Stamp {
  const operator = edit.verb === "replace" ? edit.operator.name.name : edit.verb;
  return { edit: edit.place, site: site.label, operator };
}

/** A patch for one site of an edit. */
export function patchFor(session: Session, edit: PlannedEdit, site: Site, scope: string): Patch {
  const { model, constants } = session;
  return new Patch(model.graph, stampOf(edit, site), scope, { constants });
}

/**
 * Commits and remembers what moved.
 * @param layouts of the new weights that are matrices of linear layers.
 */
export function commit(
  session: Session,
  patch: Patch,
  { block, label }: Site,
  layouts: ReadonlyMap<string, Layout> = new Map(),
): void {
  patch.commit();
  for (const { domain } of patch.nodes) {
    // Operators of other domains than ai.onnx have had one version so far.
    if (!session.model.opsets.has(domain)) session.model.opsets.set(domain, 1);
  }
  for (const name of patch.weights.keys()) {
    session.weights.set(name, { name, site: label, layout: layouts.get(name) ?? null });
  }
  for (const { from, to, among } of patch.shunts) {
    if (!among) session.successors.set(from, to);
  }
  const grown = session.grown.get(block) ?? new Set();
  const shared = new Set([...session.constants.values()].map(({ producer }) => producer));
  for (const node of patch.nodes) if (!shared.has(node)) grown.add(node);
  session.grown.set(block, grown);
}
