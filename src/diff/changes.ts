/** What differs between two nodes, or two graphs' interfaces, in words. */
import { lengthOf } from "../ir/bytes.ts";
import type { Initializer, Model, Node, Value } from "../ir/graph.ts";
import { showShape, showType } from "../ir/types.ts";
import { leafOf, sameTensor } from "./leaves.ts";
import type { Matching } from "./match.ts";
import { graphText, showAttribute } from "./signature.ts";

/** `MatMul /blocks.1/attn/qkv/MatMul` */
export function showNode(node: Node): string {
  return node.name === "" ? node.op : `${node.op} ${node.name}`;
}

/** `blocks.1.attn.short_filter.weight float32[288, 1, 4]` */
export function showWeight(value: Value): string {
  const { dtype, shape } = leafOf(value)!;
  return `${value.name} ${dtype}${showShape(shape)}`;
}

/** How the second of two matched nodes differs; each change is one line. */
export function changesOf(a: Node, b: Node, matching: Matching): string[] {
  return [...attributeChanges(a, b), ...inputChanges(a, b, matching)];
}

function attributeChanges(a: Node, b: Node): string[] {
  const names = new Set([...a.attributes.keys(), ...b.attributes.keys()]);
  return [...names].flatMap((name) => {
    const [before, after] = [a, b].map((node) => {
      const attribute = node.attributes.get(name);
      return attribute ? showAttribute(attribute) : `no ${name}`;
    }) as [string, string];
    return before === after ? [] : [`${showNode(a)}: ${before} -> ${after}`];
  });
}

function inputChanges(a: Node, b: Node, matching: Matching): string[] {
  const count = Math.max(a.inputs.length, b.inputs.length);
  return Array.from({ length: count }, (_, i) => {
    const [x, y] = [a.inputs[i] ?? null, b.inputs[i] ?? null];
    if (!x || !y) return x === y ? [] : [`${showNode(a)}: input ${i} ${x ? "left" : "appeared"}`];
    const [before, after] = [leafOf(x), leafOf(y)];
    if (before && after) return tensorChange(x, [before, after]);
    if (matching.same(x, y) || isImplied(x, y, matching)) return [];
    return [`${showNode(a)}: input ${i} is ${y.name}, was ${x.name}`];
  }).flat();
}

/** Something else stands there because what stood there left, or because something new came. */
function isImplied(x: Value, y: Value, { forward, backward }: Matching): boolean {
  const gone = x.producer !== null && !forward.has(x.producer);
  const come = y.producer !== null && !backward.has(y.producer);
  return gone || come;
}

function tensorChange(x: Value, [before, after]: readonly [Initializer, Initializer]): string[] {
  if (sameTensor(before, after)) return [];
  const types = [before, after].map(({ dtype, shape }) => showType({ dtype, shape }));
  if (types[0] !== types[1]) return [`${x.name}: ${types[0]} -> ${types[1]}`];
  return [`${x.name}: ${types[0]}, other values`];
}

/** Differences outside of the nodes. */
export function modelChanges(a: Model, b: Model, matching: Matching) {
  const lines = { added: [] as string[], removed: [] as string[], changed: [] as string[] };
  const compare = (what: string, before: ReadonlyMap<string, unknown>, after: typeof before) => {
    for (const [name, value] of before) {
      if (!after.has(name)) lines.removed.push(`${what} ${name}`);
      else if (after.get(name) !== value) {
        lines.changed.push(changeLine(`${what} ${name}`, value, after.get(name)));
      }
    }
    for (const name of after.keys()) if (!before.has(name)) lines.added.push(`${what} ${name}`);
  };
  compare("ir_version", new Map([["", a.irVersion]]), new Map([["", b.irVersion]]));
  compare("opset", opsetsOf(a), opsetsOf(b));
  compare("input", typesOf(a.graph.inputs), typesOf(b.graph.inputs));
  compare("output", typesOf(a.graph.outputs), typesOf(b.graph.outputs));
  compare("metadata", a.metadata, b.metadata);
  compare("function", bodiesOf(a), bodiesOf(b));
  for (const output of a.graph.outputs) {
    const other = b.graph.outputs.find(({ name }) => name === output.name);
    if (!other || matching.same(output, other) || isImplied(output, other, matching)) continue;
    lines.changed.push(`output ${output.name} is computed by another node`);
  }
  return lines;
}

const readable = 60;

/** Long texts, such as the edits kept in the metadata, are only named. */
function changeLine(what: string, before: unknown, after: unknown): string {
  const text = `${what}: ${before} -> ${after}`;
  return text.length <= what.length + readable ? text.trim() : what;
}

function opsetsOf({ opsets }: Model): ReadonlyMap<string, number> {
  return new Map([...opsets].map(([domain, version]) => [domain || "ai.onnx", version]));
}

function typesOf(values: readonly Value[]): ReadonlyMap<string, string> {
  return new Map(values.map(({ name, type }) => [name, showType(type)]));
}

function bodiesOf({ functions }: Model): ReadonlyMap<string, string> {
  return new Map([...functions].map(([name, body]) => [name, graphText(body)]));
}

/** Tensors worth a line of their own; shapes, axes and scalars are not. */
export function isWeight(value: Value): boolean {
  return value.initializer !== null && lengthOf(value.initializer.data) > 64;
}
