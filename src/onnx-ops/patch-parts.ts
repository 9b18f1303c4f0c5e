/** What a patch is made of. */
import { setOutputs } from "../ir/edit.ts";
import { type Attribute, Node, type Use, Value } from "../ir/graph.ts";
import type { TensorType } from "../ir/types.ts";
import type { AttributeInput } from "./attributes.ts";
import type { SharedConstants } from "./constants.ts";
import type { FreshName } from "./names.ts";

/** Which line of which file asked for a node; becomes the node's metadata_props. */
export interface Stamp {
  /** `slim.graft:4` */
  readonly edit: string;
  /** `blocks[1].attn` */
  readonly site: string;
  /** `hyena_x`, or the verb of an edit that places no operator. */
  readonly operator: string;
}

/** The stamp as metadata_props of a node. */
export function propsOf(stamp: Stamp | null): Map<string, string> {
  if (!stamp) return new Map();
  return new Map([
    ["graftc.edit", stamp.edit],
    ["graftc.site", stamp.site],
    ["graftc.operator", stamp.operator],
  ]);
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

/** What patches of one graph have in common. */
export interface Among {
  readonly freshName?: FreshName;
  readonly constants?: SharedConstants;
}

/** What copies have in the place of what their originals have. */
export interface Copied {
  readonly nameOf?: (node: Node) => string;
  readonly attributesOf?: (node: Node) => Map<string, Attribute>;
  /** Of the metadata, beside the stamp. */
  readonly propertiesOf?: (node: Node) => Iterable<readonly [key: string, text: string]>;
}

interface Copying extends Copied {
  readonly stamp: Stamp | null;
  /** What stands for values of the original; gets the copy's outputs. */
  readonly map: Map<Value, Value>;
  readonly freshName: (base: string) => string;
}

/** A node like another one, not yet of any graph. Subgraphs are shared. */
export function copyOf(node: Node, name: string, copying: Copying): Node {
  const { stamp, map, freshName, attributesOf, propertiesOf } = copying;
  const properties = propertiesOf?.(node) ?? [];
  const copy = new Node({
    name,
    opType: node.opType,
    domain: node.domain,
    attributes: attributesOf?.(node) ?? new Map(node.attributes),
    metadata: new Map([...node.metadata, ...propsOf(stamp), ...properties]),
  });
  copy.inputs = node.inputs.map((value) => value && (map.get(value) ?? value));
  const outputs = node.outputs.map((value, i) => {
    if (!value) return null;
    const fresh = new Value(freshName(`${name}_output_${i}`), value.type);
    map.set(value, fresh);
    return fresh;
  });
  setOutputs(copy, outputs);
  return copy;
}

/** Of a node that is not yet on record with what it reads. */
export function readInstead(node: Node, instead: ReadonlyMap<Value, Value>): void {
  node.inputs = node.inputs.map((value) => value && (instead.get(value) ?? value));
}

/** `/blocks.1/attn/in_proj/MatMul` */
export function nodePath(scope: string, opType: string): string {
  const path = scope.replace(/\.(?!\d+(\.|$))/g, "/");
  return path === "" ? `/${opType}` : `/${path}/${opType}`;
}

/** A node of the host whose input becomes another value, or is left out. */
export type Rewired = readonly [node: Node, input: number, to: Value | null];

/** What loses readers by these. */
export function abandoned(shunts: readonly Shunt[], rewired: readonly Rewired[]): Value[] {
  return [
    ...shunts.map(({ from }) => from),
    ...rewired.flatMap(([node, input]) => node.inputs[input] ?? []),
  ];
}

/** The use that ends. */
export function lostUse([node, input]: Readonly<[Node, number, ...unknown[]]>): Use[] {
  return [...(node.inputs[input]?.uses ?? [])].filter(
    (use) => use.node === node && use.index === input,
  );
}
