/**
 * The one way to change a graph. A patch collects new nodes, weights and redirections beside the
 * graph and applies all of it, or nothing, in `commit`.
 *
 *   const patch = new Patch(graph, stamp);
 *   const [y] = patch.add("Relu", [x]);      // grows beside the host
 *   patch.shunt(old, y);                     // the host drinks from it
 *   patch.commit();
 */
import { fail } from "../diag/diagnostic.ts";
import { type Bytes, inMemory, materialize } from "../ir/bytes.ts";
import {
  addOutput,
  defineWeights,
  insertNodes,
  renameValue,
  replaceOutput,
  setAttribute,
  setInitializer,
  setInput,
  setOutputs,
  setProperties,
} from "../ir/edit.ts";
import { type Attribute, type Graph, type Initializer, Node, Value } from "../ir/graph.ts";
import { readsOf, sortTopologically } from "../ir/order.ts";
import type { DType, TensorType } from "../ir/types.ts";
import { placeFor } from "./anchor.ts";
import { type AttributeInput, attributesOf } from "./attributes.ts";
import { type BodyInputs, connect, type GrowBody, growBody } from "./bodies.ts";
import { Constants } from "./constants.ts";
import { encodeElements } from "./elements.ts";
import { type FreshName, freshNames } from "./names.ts";
import {
  type Among,
  abandoned,
  type Copied,
  copyOf,
  lostUse,
  type NodeOptions,
  nodePath,
  propsOf,
  type Rewired,
  readInstead,
  type Shunt,
  type Stamp,
} from "./patch-parts.ts";
import { findOrphans, type Pending, producersOf, sweep } from "./sweep.ts";

export type { NodeOptions, Shunt, Stamp };

export class Patch {
  readonly graph: Graph;
  /** null: nobody's edit, a model that is being made. */
  readonly stamp: Stamp | null;
  /** Nodes grown so far, in order. */
  readonly nodes: Node[] = [];
  /** New initializers, by stored name. */
  readonly weights = new Map<string, Value>();
  /** The redirections so far. */
  readonly shunts: Shunt[] = [];
  readonly #reweighed = new Map<Value, Initializer>();
  readonly #retuned: [Node, Attribute][] = [];
  readonly #rewired: Rewired[] = [];
  readonly #exposed: [Node, number, Value][] = [];
  readonly #marked = new Set<Node>();
  readonly #evicted = new Map<Value, string>();
  readonly #constants: Constants;
  readonly #freshName: FreshName;
  #inOrder = true;
  #scope: string;

  /** @param scope names of what is grown start with it: `blocks.1.attn`. */
  constructor(graph: Graph, stamp: Stamp | null, scope: string, among: Among = {}) {
    this.graph = graph;
    this.stamp = stamp;
    this.#freshName = among.freshName ?? freshNames(graph);
    this.#constants = new Constants(graph, among.constants);
    this.#scope = scope;
  }

  /** Forgets nodes that none of these values needs, of those behind the first `since`. */
  prune(since: number, needed: readonly Value[]): void {
    const grown = new Set(this.nodes.splice(since));
    const reached = producersOf(needed, grown);
    for (const node of grown) if (reached.has(node)) this.nodes.push(node);
    this.#constants.forget((node) => grown.has(node) && !reached.has(node));
  }

  /** Lets nodes behind the first `since` read other values in the place of these. */
  reread(since: number, instead: ReadonlyMap<Value, Value>): void {
    this.#inOrder &&= instead.size === 0;
    for (const node of this.nodes.slice(since)) readInstead(node, instead);
  }

  /** Runs `grow` with `step` appended to the scope of the names it makes. */
  within<T>(step: string, grow: () => T): T {
    const outer = this.#scope;
    this.#scope = outer === "" ? step : `${outer}.${step}`;
    const leave = () => {
      this.#scope = outer;
    };
    let under: Promise<unknown> | null = null;
    try {
      const result = grow();
      if (result instanceof Promise) under = result.finally(leave);
      return (under ?? result) as T;
    } finally {
      if (!under) leave();
    }
  }

  /** Adds a node; returns its outputs. `null` leaves an optional input out. */
  add(opType: string, inputs: readonly (Value | null)[], options: NodeOptions = {}): Value[] {
    const name = this.#freshName(nodePath(this.#scope, opType));
    const node = new Node({
      name,
      opType,
      domain: options.domain ?? "",
      attributes: attributesOf(options.attributes ?? {}),
      metadata: propsOf(this.stamp),
    });
    node.inputs = [...inputs];
    const outputs = Array.from({ length: options.outputs ?? 1 }, (_, i) => {
      return new Value(this.#freshName(`${name}_output_${i}`), options.types?.[i] ?? null);
    });
    setOutputs(node, outputs);
    for (const body of node.subgraphs) body.owner = node;
    this.nodes.push(node);
    return outputs;
  }

  /** A graph for an attribute of a node that is added next; it may read what stands outside. */
  body(inputs: BodyInputs, grow: GrowBody): Graph {
    const freshName = this.#freshName;
    const inner = (body: Graph) => new Patch(body, this.stamp, this.#scope, { freshName });
    return growBody(inputs, grow, freshName, inner);
  }

  /** Adds a node with one output and returns it. */
  one(opType: string, inputs: readonly (Value | null)[], options: NodeOptions = {}): Value {
    return this.add(opType, inputs, options)[0]!;
  }

  /** A tensor known now, as a Constant node; equal ones of a patch are one node. */
  constant(dtype: DType, shape: readonly number[], data: Bytes): Value {
    const bytes = materialize(data);
    return this.#constants.of(dtype, shape, bytes, () =>
      this.one("Constant", [], {
        attributes: { value: { dtype, shape, data: inMemory(bytes) } },
        types: [{ dtype, shape }],
      }),
    );
  }

  /** An int64 vector, the form that axes, shapes and bounds take. */
  ints(values: readonly number[]): Value {
    return this.constant("int64", [values.length], inMemory(encodeElements("int64", values)));
  }

  scalar(dtype: DType, value: number): Value {
    return this.constant(dtype, [], inMemory(encodeElements(dtype, [value])));
  }

  /** A new initializer called exactly `name`. Bytes of an old one are not copied: it is the same span. */
  weight(name: string, dtype: DType, shape: readonly number[], data: Bytes): Value {
    if (this.weights.has(name)) throw new Error(`weight ${name} is made twice`);
    const value = new Value(name, { dtype, shape });
    value.initializer = { dtype, shape, data, origin: null, metadata: new Map() };
    this.weights.set(name, value);
    return value;
  }

  /** Takes its name away from this value, which stays and is called this, or nearly so. */
  evict(value: Value, name = `${value.name}.replaced`): void {
    this.#evicted.set(value, name);
  }

  /**
   * Copies nodes, of a function's body too, in order. Inputs found in `map` are replaced; what the
   * copies define is added to it. Subgraphs are shared with the original.
   */
  clone(nodes: readonly Node[], map: Map<Value, Value>, copied: Copied = {}): void {
    const copying = { ...copied, stamp: this.stamp, map, freshName: this.#freshName };
    for (const node of nodes) {
      const name = copied.nameOf?.(node) ?? nodePath(this.#scope, node.opType);
      this.nodes.push(copyOf(node, this.#freshName(name), copying));
    }
  }

  /**
   * Whoever reads `from`, a graph output included, reads `to` afterwards: but for this patch's own
   * nodes, and, where `among` is given, everybody outside it.
   */
  shunt(from: Value, to: Value, among: ReadonlySet<Node> | null = null): void {
    this.shunts.push({ from, to, among });
  }

  /** Gives an initializer of the host other contents; its name and its place in the file stay. */
  reweigh(value: Value, shape: readonly number[], data: Bytes): void {
    if (!value.initializer) throw new Error(`${value.name} is no initializer`);
    this.#reweighed.set(value, { ...value.initializer, shape, data });
  }

  /** Gives a node of the host another input, or leaves an optional one out. */
  rewire(node: Node, input: number, to: Value | null): void {
    this.#rewired.push([node, input, to]);
  }

  /** An output that a node of the host has left out, from now on there. */
  expose(node: Node, index: number, type: TensorType): Value {
    const known = this.#exposed.find(([host, at]) => host === node && at === index);
    if (known) return known[2];
    const value = new Value(this.#freshName(`${node.name}_output_${index}`), type);
    value.producer = node;
    value.producerIndex = index;
    this.#exposed.push([node, index, value]);
    return value;
  }

  /** Gives attributes of a node of the host other values. */
  retune(node: Node, attributes: Readonly<Record<string, AttributeInput>>): void {
    for (const attribute of attributesOf(attributes).values())
      this.#retuned.push([node, attribute]);
  }

  /** Says in a node of the host that this edit changed what it computes. */
  mark(node: Node): void {
    this.#marked.add(node);
  }

  /**
   * Applies everything; afterwards what nobody reads any more is gone. A weight may take the name
   * of a value that goes with it.
   * @throws GraftError `name-taken` where that value stays; the graph is then as it was.
   */
  commit(): void {
    const { graph } = this;
    const uses = this.shunts.map(({ from, among }) =>
      [...from.uses].filter((use) => !among || among.has(use.node)),
    );
    this.#clearNames(new Set([...uses.flat(), ...this.#rewired.flatMap(lostUse)]));
    defineWeights(graph, this.weights.values());
    this.nodes.forEach(connect);
    for (const [node, index, value] of this.#exposed) addOutput(node, index, value);
    const orphans = abandoned(this.shunts, this.#rewired);
    const moves = [
      ...this.shunts.flatMap(({ to }, i) => uses[i]!.map(({ node }) => [node, to] as const)),
      ...this.#rewired.flatMap(([node, , to]) => (to ? [[node, to] as const] : [])),
    ];
    const { anchor, inOrder } = placeFor(graph, this.nodes, moves);
    insertNodes(graph, anchor, this.nodes);
    this.shunts.forEach(({ from, to, among }, i) => {
      for (const use of uses[i]!) setInput(use.node, use.index, to);
      if (!among && graph.outputs.includes(from)) this.#replaceOutput(from, to);
    });
    for (const [node, input, to] of this.#rewired) setInput(node, input, to);
    for (const [value, initializer] of this.#reweighed) setInitializer(value, initializer);
    for (const [node, attribute] of this.#retuned) setAttribute(node, attribute);
    for (const node of this.#marked) setProperties(node, propsOf(this.stamp));
    if (!inOrder || !this.#inOrder) sortTopologically(graph);
    sweep(graph, orphans);
    this.#constants.share();
  }

  /** Takes names away from what was evicted, and those of weights from what this patch orphans. */
  #clearNames(moved: Pending["moved"]): void {
    const { graph } = this;
    const renamed = new Map(this.#evicted);
    for (const fixed of [...graph.inputs, ...graph.outputs]) renamed.delete(fixed);
    const rivals = [...this.weights.keys()].flatMap((name) => graph.values.get(name) ?? []);
    if (rivals.length > 0) {
      const leaving = findOrphans(graph, abandoned(this.shunts, this.#rewired), {
        moved,
        replaced: new Set(this.shunts.flatMap(({ from, among }) => (among ? [] : [from]))),
        read: new Set(this.nodes.flatMap(readsOf)),
      });
      const staying = rivals.find((each) => !leaving.values.has(each) && !renamed.has(each));
      if (staying) throw fail("name-taken", { name: staying.name });
    }
    for (const rival of rivals) renamed.set(rival, `${rival.name}.replaced`);
    for (const [value, name] of renamed) renameValue(graph, value, this.#freshName(name));
  }

  /** The model's outputs keep their names: the new value takes the old one's. */
  #replaceOutput(from: Value, to: Value): void {
    const { graph } = this;
    let heir = to;
    if (!to.producer || graph.outputs.includes(to)) {
      heir = this.one("Identity", [to], { types: [to.type] });
      const node = this.nodes.at(-1)!;
      connect(node);
      insertNodes(graph, graph.nodes.length, [node]);
    }
    replaceOutput(graph, from, heir, this.#freshName(`${from.name}.replaced`));
  }
}
