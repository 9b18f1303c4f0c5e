/**
 * Which node of one graph is which of the other, whatever they are called. Certain matches first
 * (equal computations, seen from the inputs or from the outputs), then nodes that hold the same
 * weights and their neighbours, then equal names, then equal shape without the weights, so that a
 * model that was only trained matches throughout, and at last neighbours that are one operator.
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import {
  createInterner,
  type Keys,
  keysBackward,
  keysForward,
  keysOfNames,
  keysOfWeights,
  sideOf,
} from "./keys.ts";
import { type Care, neighbours, type Pair, pairsOf } from "./pairs.ts";

export interface Matching {
  /** Nodes of the first graph and theirs in the second; Constant nodes count as tensors. */
  readonly forward: ReadonlyMap<Node, Node>;
  readonly backward: ReadonlyMap<Node, Node>;
  /** Whether two values are the same computation of the same inputs, or matched nodes make them. */
  same(a: Value, b: Value): boolean;
}

export function matchGraphs(first: Graph, second: Graph): Matching {
  const a = sideOf(first);
  const b = sideOf(second);
  const forward = new Map<Node, Node>();
  const backward = new Map<Node, Node>();
  const isFree = (node: Node) => !forward.has(node) && !backward.has(node);
  const join = ([x, y]: Pair) => {
    forward.set(x, y);
    backward.set(y, x);
  };
  const pairUp = (keys: readonly [Keys, Keys], care: Care) => {
    const free = [a.nodes.filter(isFree), b.nodes.filter(isFree)] as const;
    for (const pair of pairsOf(free, keys, care)) join(pair);
  };
  const spread = (kind: (node: Node) => string | undefined, likely = (_: Pair) => true) => {
    const kindOf = (node: Node) => (isFree(node) ? kind(node) : undefined);
    const open: Pair[] = [...forward];
    for (let pair = open.pop(); pair; pair = open.pop()) {
      for (const next of neighbours(pair, kindOf)) {
        if (!next.every(isFree) || !likely(next)) continue;
        join(next);
        open.push(next);
      }
    }
  };
  const bySignature = (node: Node) => a.signatures.get(node) ?? b.signatures.get(node);
  const byOperator = (node: Node) => bySignature(node) && node.op;

  const intern = createInterner();
  const both = (keysOf: (side: typeof a) => Keys) => [keysOf(a), keysOf(b)] as const;
  const fromInputs = both((side) => keysForward(side, intern, true));
  const fromOutputs = both((side) => keysBackward(side, intern, true));
  pairUp(fromInputs, "named");
  pairUp(fromOutputs, "named");
  pairUp(fromInputs, "all");
  pairUp(fromOutputs, "all");
  pairUp(
    both((side) => keysOfWeights(side, intern)),
    "unique",
  );
  spread(bySignature, ([x, y]) => x.name === y.name);
  spread(bySignature);
  pairUp(
    both((side) => keysOfNames(side, intern)),
    "unique",
  );
  spread(bySignature);
  const known = numbersOf(forward);
  pairUp(
    both((side) => keysForward(side, intern, false, known)),
    "all",
  );
  const more = numbersOf(forward);
  pairUp(
    both((side) => keysBackward(side, intern, false, more)),
    "all",
  );
  spread(byOperator);

  const [keysA, keysB] = fromInputs;
  return {
    forward,
    backward,
    same(x, y) {
      const [p, q] = [x.producer, y.producer];
      if (!p || !q) return p === q && x.name === y.name && a.prints.get(x) === b.prints.get(y);
      if (x.producerIndex !== y.producerIndex) return false;
      return forward.get(p) === q || keysA.get(p) === keysB.get(q);
    },
  };
}

/** Matched nodes under one number each, which no interned key is. */
function numbersOf(forward: ReadonlyMap<Node, Node>): Keys {
  const numbers = new Map<Node, number>();
  for (const [i, [x, y]] of [...forward].entries()) numbers.set(x, -i - 1).set(y, -i - 1);
  return numbers;
}
