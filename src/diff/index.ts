/** Two models side by side: what differs, by block and part, whatever things are called. */
import type { Anatomy } from "../anatomy/anatomy.ts";
import type { Model, Node, Value } from "../ir/graph.ts";
import { changesOf, isWeight, modelChanges, nodeItem, weightItem } from "./changes.ts";
import { fingerprint, isLeaf } from "./leaves.ts";
import { type Matching, matchGraphs } from "./match.ts";
import { locator, orderOf, outside } from "./places.ts";

export interface Diff {
  /** The models compute the same, up to names. */
  readonly same: boolean;
  readonly groups: readonly DiffGroup[];
}

export interface DiffGroup {
  /** `blocks[1].attn`, `blocks[1]`, or `model` for what is in no block; the first model's indices. */
  readonly where: string;
  readonly added: readonly DiffItem[];
  readonly removed: readonly DiffItem[];
  /** Attributes, weights with other values, inputs from elsewhere. */
  readonly changed: readonly DiffItem[];
  /** `slim.graft:4`, the line that made what was added; null where no edit says so. */
  readonly edit: string | null;
}

export interface DiffItem {
  readonly kind: "node" | "weight" | "interface" | "change";
  /** `Conv NAME`, `NAME float32[288, 1, 4]`, `input NAME`, `NAME: axis=1 -> axis=2`. */
  readonly text: string;
  /** The same without what names one of several alike: for nodes the operator. */
  readonly brief: string;
}

/**
 * Compares two models node by node and weight by weight. Names of nodes and values, documentation
 * and the order of the file do not count; metadata, opsets, inputs and outputs of the model do.
 * Weights are compared as bytes, a few megabytes at a time.
 */
export function diffModels(a: Model, b: Model, anatomies: readonly [Anatomy, Anatomy]): Diff {
  const matching = matchGraphs(a.graph, b.graph);
  const places = locator(...anatomies, matching);
  const drafts = new Map<string, Draft>();
  const at = (where: string) => {
    const draft = drafts.get(where) ?? { added: [], removed: [], changed: [], edits: new Set() };
    drafts.set(where, draft);
    return draft;
  };
  const { added, removed, changed } = modelChanges(a, b, matching);
  if (added.length + removed.length + changed.length > 0) {
    drafts.set(outside, { added, removed, changed, edits: new Set() });
  }
  collectRemoved(a, b, matching, (node) => at(places.before(node)).removed);
  collectChanged(a, matching, (node) => at(places.before(node)));
  collectAdded(a, b, matching, (node) => at(places.after(node)));
  const order = orderOf(anatomies[0]);
  const groups = [...drafts]
    .filter(([, { added, removed, changed }]) => added.length + removed.length + changed.length > 0)
    .map(([where, { edits, ...lines }]) => ({
      where,
      ...lines,
      edit: [...edits].join(", ") || null,
    }))
    .sort((x, y) => order(x.where) - order(y.where));
  return { same: groups.length === 0, groups };
}

const editKey = "graftc.edit";

interface Draft {
  readonly added: DiffItem[];
  readonly removed: DiffItem[];
  readonly changed: DiffItem[];
  readonly edits: Set<string>;
}

function collectRemoved(a: Model, b: Model, { forward }: Matching, at: (node: Node) => DiffItem[]) {
  const gone = nodesOf(a).filter((node) => !forward.has(node));
  for (const node of gone) at(node).push(nodeItem(node));
  for (const [weight, node] of beyond(b, weightsOf(gone, new Set(gone)), a)) {
    at(node).push(weightItem(weight));
  }
}

function collectAdded(a: Model, b: Model, { backward }: Matching, at: (node: Node) => Draft) {
  const come = nodesOf(b).filter((node) => !backward.has(node));
  for (const node of come) {
    const draft = at(node);
    draft.added.push(nodeItem(node));
    const edit = node.metadata.get(editKey);
    if (edit !== undefined) draft.edits.add(edit);
  }
  for (const [weight, node] of beyond(a, weightsOf(come, new Set(come)), b)) {
    at(node).added.push(weightItem(weight));
  }
}

/** A tensor that several nodes of a place read is mentioned once. */
function collectChanged(a: Model, matching: Matching, at: (node: Node) => Draft) {
  for (const node of nodesOf(a)) {
    const match = matching.forward.get(node);
    if (!match) continue;
    const { changed, edits } = at(node);
    const items = changesOf(node, match, matching);
    for (const item of items) {
      if (!changed.some(({ text }) => text === item.text)) changed.push(item);
    }
    const edit = match.metadata.get(editKey);
    if (items.length > 0 && edit !== undefined && edit !== node.metadata.get(editKey)) {
      edits.add(edit);
    }
  }
}

function nodesOf({ graph }: Model): Node[] {
  return graph.nodes.filter((node) => !isLeaf(node));
}

/** Weights that only these nodes read, each with its first reader. */
function weightsOf(nodes: readonly Node[], among: ReadonlySet<Node>): ReadonlyMap<Value, Node> {
  const found = new Map<Value, Node>();
  for (const node of nodes) {
    for (const value of node.inputs) {
      if (!value || found.has(value) || !isWeight(value)) continue;
      if ([...value.uses].every((use) => among.has(use.node))) found.set(value, node);
    }
  }
  return found;
}

/**
 * Of weights that only one side's own nodes read, those that the other side does not hold: what an
 * operator inherits is not new, but the copies of it are.
 */
function beyond(
  other: Model,
  weights: ReadonlyMap<Value, Node>,
  own: Model,
): (readonly [Value, Node])[] {
  const spare = new Map<string, number>();
  const count = ({ initializer }: Value, by: number) => {
    const print = fingerprint(initializer!);
    const left = (spare.get(print) ?? 0) + by;
    spare.set(print, left);
    return left;
  };
  for (const value of other.graph.initializers) if (isWeight(value)) count(value, 1);
  for (const value of own.graph.initializers) {
    if (isWeight(value) && !weights.has(value)) count(value, -1);
  }
  return [...weights].filter(([value]) => value.initializer && count(value, -1) < 0);
}
