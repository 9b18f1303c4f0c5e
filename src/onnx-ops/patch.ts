/**
 * The one way to change a graph. A patch collects new nodes, weights and redirections beside the
 * graph and applies all of it, or nothing, in `commit`.
 *
 *   const patch = new Patch(graph, stamp);
 *   const [y] = patch.add("Relu", [x]);      // grows beside the host
 *   patch.shunt(old, y);                     // the host drinks from it
 *   patch.commit();
 */
import { type Bytes, inMemory, materialize } from "../ir/bytes.ts";
import {
  defineInitializer,
  insertNodes,
  renameValue,
  setAttribute,
  setInitializer,
  setInput,
  setOutputs,
} from "../ir/edit.ts";
import { type Attribute, type Graph, type Initializer, Node, Value } from "../ir/graph.ts";
import { sortTopologically } from "../ir/order.ts";
import type { DType, TensorType } from "../ir/types.ts";
import { type AttributeInput, attributesOf } from "./attributes.ts";
import { encodeElements } from "./elements.ts";
import { sweep } from "./sweep.ts";

/** Which line of which file asked for a node; becomes the node's metadata_props. */
export interface Stamp {
  /** `slim.graft:4` */
  readonly edit: string;
  /** `blocks[1].attn` */
  readonly site: string;
  /** `hyena_x`, or the verb of an edit that places no operator. */
  readonly operator: string;
}

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
  readonly domain?: string;
  /** How many outputs; 1 unless said. */
  readonly outputs?: number;
  /** Types of the outputs, where the caller knows them. */
  readonly types?: readonly (TensorType | null)[];
}

export interface Shunt {
  readonly from: Value;
  readonly to: Value;
  readonly among: ReadonlySet<Node> | null;
}

export class Patch {
  readonly graph: Graph;
  /** null: nobody's edit, a model that is being made. */
  readonly stamp: Stamp | null;
  /** Nodes grown so far, in order. */
  readonly nodes: Node[] = [];
  /** New initializers, by stored name. */
  readonly weights = new Map<string, Value>();
  readonly #shunts: Shunt[] = [];
  readonly #reweighed = new Map<Value, Initializer>();
  readonly #retuned: [Node, Attribute][] = [];
  readonly #rewired: [Node, number, Value][] = [];
  readonly #constants = new Map<string, Value>();
  readonly #taken = new Set<string>();
  #scope: string;

  /** @param scope names of what is grown start with it: `blocks.1.attn`. */
  constructor(graph: Graph, stamp: Stamp | null, scope: string) {
    this.graph = graph;
    this.stamp = stamp;
    this.#scope = scope;
  }

  /** Runs `grow` with `step` appended to the scope of the names it makes. */
  within<T>(step: string, grow: () => T): T {
    const outer = this.#scope;
    this.#scope = outer === "" ? step : `${outer}.${step}`;
    try {
      const result = grow();
      if (result instanceof Promise) {
        return result.finally(() => {
          this.#scope = outer;
        }) as T;
      }
      this.#scope = outer;
      return result;
    } catch (cause) {
      this.#scope = outer;
      throw cause;
    }
  }

  /** Adds a node; returns its outputs. `null` leaves an optional input out. */
  add(opType: string, inputs: readonly (Value | null)[], options: NodeOptions = {}): Value[] {
    const name = this.#nodeName(opType);
    const node = new Node({
      name,
      opType,
      domain: options.domain ?? "",
      attributes: attributesOf(options.attributes ?? {}),
      metadata: this.#metadata(),
    });
    inputs.forEach((value, index) => {
      node.inputs[index] = value;
    });
    const outputs = Array.from({ length: options.outputs ?? 1 }, (_, i) => {
      return new Value(this.#freshName(`${name}_output_${i}`), options.types?.[i] ?? null);
    });
    setOutputs(node, outputs);
    this.nodes.push(node);
    return outputs;
  }

  /** Adds a node with one output and returns it. */
  one(opType: string, inputs: readonly (Value | null)[], options: NodeOptions = {}): Value {
    return this.add(opType, inputs, options)[0]!;
  }

  /** A tensor known now, as a Constant node; equal constants of a patch are one node. */
  constant(dtype: DType, shape: readonly number[], data: Bytes): Value {
    const bytes = materialize(data);
    const key = `${dtype}[${shape}]${Buffer.from(bytes).toString("latin1")}`;
    const known = this.#constants.get(key);
    if (known) return known;
    const value = this.one("Constant", [], {
      attributes: { value: { dtype, shape, data: inMemory(bytes) } },
      types: [{ dtype, shape }],
    });
    this.#constants.set(key, value);
    return value;
  }

  /** An int64 vector, the form that axes, shapes and bounds take. */
  ints(values: readonly number[]): Value {
    return this.constant("int64", [values.length], inMemory(encodeElements("int64", values)));
  }

  scalar(dtype: DType, value: number): Value {
    return this.constant(dtype, [], inMemory(encodeElements(dtype, [value])));
  }

  /**
   * A new weight: an initializer called exactly `name`. Giving the bytes of an old initializer
   * copies nothing: the new one is the same span of the data file.
   */
  weight(name: string, dtype: DType, shape: readonly number[], data: Bytes): Value {
    if (this.weights.has(name)) throw new Error(`weight ${name} is made twice`);
    const value = new Value(name, { dtype, shape });
    value.initializer = { dtype, shape, data, origin: null, metadata: new Map() };
    this.weights.set(name, value);
    return value;
  }

  /**
   * Copies nodes of the graph, in order. Inputs found in `map` are replaced; what the copies define
   * is added to `map`. Subgraphs are shared with the original.
   */
  clone(nodes: readonly Node[], map: Map<Value, Value>): void {
    for (const node of nodes) {
      const name = this.#nodeName(node.opType);
      const copy = new Node({
        name,
        opType: node.opType,
        domain: node.domain,
        attributes: new Map(node.attributes),
        metadata: new Map([...node.metadata, ...this.#metadata()]),
      });
      copy.inputs = node.inputs.map((value) => value && (map.get(value) ?? value));
      const outputs = node.outputs.map((value, i) => {
        if (!value) return null;
        const fresh = new Value(this.#freshName(`${name}_output_${i}`), value.type);
        map.set(value, fresh);
        return fresh;
      });
      setOutputs(copy, outputs);
      this.nodes.push(copy);
    }
  }

  /**
   * Whoever reads `from`, a graph output included, reads `to` afterwards: but for this patch's own
   * nodes, and, where `among` is given, everybody outside it.
   */
  shunt(from: Value, to: Value, among: ReadonlySet<Node> | null = null): void {
    this.#shunts.push({ from, to, among });
  }

  /** The redirections so far. */
  get shunts(): readonly Shunt[] {
    return this.#shunts;
  }

  /** Gives an initializer of the host other contents; its name and its place in the file stay. */
  reweigh(value: Value, shape: readonly number[], data: Bytes): void {
    if (!value.initializer) throw new Error(`${value.name} is no initializer`);
    this.#reweighed.set(value, { ...value.initializer, shape, data });
  }

  /** Gives a node of the host another input. */
  rewire(node: Node, input: number, to: Value): void {
    this.#rewired.push([node, input, to]);
  }

  /** Gives attributes of a node of the host other values. */
  retune(node: Node, attributes: Readonly<Record<string, AttributeInput>>): void {
    for (const attribute of attributesOf(attributes).values())
      this.#retuned.push([node, attribute]);
  }

  /** Applies everything; afterwards what nobody reads any more is gone. */
  commit(): void {
    const { graph } = this;
    for (const value of this.weights.values()) {
      if (graph.values.has(value.name)) throw new Error(`weight ${value.name} exists already`);
    }
    const uses = this.#shunts.map(({ from, among }) =>
      [...from.uses].filter((use) => !among || among.has(use.node)),
    );
    for (const value of this.weights.values()) defineInitializer(graph, value, value.initializer!);
    for (const node of this.nodes) {
      const inputs = node.inputs;
      node.inputs = [];
      inputs.forEach((value, index) => {
        setInput(node, index, value);
      });
    }
    const position = new Map(graph.nodes.map((node, i) => [node, i]));
    const anchor = anchorOf(this.nodes, position);
    const moved = [
      ...this.#shunts.flatMap(({ to }, i) => uses[i]!.map(({ node }) => [node, to] as const)),
      ...this.#rewired.map(([node, , to]) => [node, to] as const),
    ];
    const inOrder = moved.every(([node, to]) => {
      const ready = to.producer ? (position.get(to.producer) ?? anchor - 1) : -1;
      return (position.get(node) ?? -1) > ready;
    });
    insertNodes(graph, anchor, this.nodes);
    this.#shunts.forEach(({ from, to, among }, i) => {
      for (const use of uses[i]!) setInput(use.node, use.index, to);
      if (!among && graph.outputs.includes(from)) this.#replaceOutput(from, to);
    });
    const orphans = this.#shunts.map(({ from }) => from);
    for (const [node, input, to] of this.#rewired) {
      orphans.push(...(node.inputs[input] ? [node.inputs[input]] : []));
      setInput(node, input, to);
    }
    for (const [value, initializer] of this.#reweighed) setInitializer(value, initializer);
    for (const [node, attribute] of this.#retuned) setAttribute(node, attribute);
    if (!inOrder) sortTopologically(graph);
    sweep(graph, orphans);
  }

  #metadata(): Map<string, string> {
    if (!this.stamp) return new Map();
    const { edit, site, operator } = this.stamp;
    return new Map([
      ["graftc.edit", edit],
      ["graftc.site", site],
      ["graftc.operator", operator],
    ]);
  }

  /** `/blocks.1/attn/in_proj/MatMul` */
  #nodeName(opType: string): string {
    const path = this.#scope.replace(/\.(?!\d+(\.|$))/g, "/");
    return this.#freshName(path === "" ? `/${opType}` : `/${path}/${opType}`);
  }

  #freshName(base: string): string {
    for (let i = 0; ; i++) {
      const name = i === 0 ? base : `${base}_${i}`;
      if (this.graph.values.has(name) || this.#taken.has(name)) continue;
      this.#taken.add(name);
      return name;
    }
  }

  /** The model's outputs keep their names: the new value takes the old one's. */
  #replaceOutput(from: Value, to: Value): void {
    const { graph } = this;
    let heir = to;
    if (!to.producer || graph.outputs.includes(to)) {
      heir = this.one("Identity", [to], { types: [to.type] });
      const node = this.nodes.at(-1)!;
      node.inputs = [];
      setInput(node, 0, to);
      insertNodes(graph, graph.nodes.length, [node]);
    }
    const name = from.name;
    renameValue(graph, from, this.#freshName(`${name}.replaced`));
    renameValue(graph, heir, name);
    heir.origin = from.origin;
    heir.declared = from.declared;
    heir.type = from.type ?? heir.type;
    from.origin = null;
    from.declared = false;
    graph.outputs = graph.outputs.map((output) => (output === from ? heir : output));
  }
}

/** New nodes go right behind the last producer of what they read and did not make themselves. */
function anchorOf(nodes: readonly Node[], position: ReadonlyMap<Node, number>): number {
  let anchor = 0;
  for (const { inputs } of nodes) {
    for (const value of inputs) {
      const at = value?.producer ? position.get(value.producer) : undefined;
      if (at !== undefined && at >= anchor) anchor = at + 1;
    }
  }
  return anchor;
}
