/** What differs between two nodes, or two graphs' interfaces, in words. */
import { type Bytes, lengthOf, materialize } from "../ir/bytes.ts";
import type { Initializer, Model, Node, Value } from "../ir/graph.ts";
import { sameTensor } from "../ir/same-tensor.ts";
import { type DType, dtypes, elements, showShape, showType } from "../ir/types.ts";
import { decodeElements } from "../onnx-ops/elements.ts";
import type { DiffItem } from "./index.ts";
import { leafOf } from "./leaves.ts";
import type { Matching } from "./match.ts";
import { attributesOf, graphText, isCommutative, operandsOf } from "./signature.ts";

export function nodeItem(node: Node): DiffItem {
  return { kind: "node", text: showNode(node), brief: node.op };
}

export function weightItem(value: Value): DiffItem {
  const { dtype, shape } = leafOf(value)!;
  const type = `${dtype}${showShape(shape)}`;
  const name = value.name.includes(".") ? anyBlock(value.name) : "weight";
  return { kind: "weight", text: `${value.name} ${type}`, brief: `${name} ${type}` };
}

/** `MatMul /blocks.1/attn/qkv/MatMul` */
function showNode(node: Node): string {
  return node.name === "" ? node.op : `${node.op} ${node.name}`;
}

/** `blocks.1.attn.qkv.bias` as `blocks.*.attn.qkv.bias`. */
function anyBlock(name: string): string {
  return name.replace(/(?<=\.)\d+(?=\.)/, "*");
}

function changeOf(subject: string, brief: string, what: string, briefly = what): DiffItem {
  return { kind: "change", text: `${subject}: ${what}`, brief: `${brief}: ${briefly}` };
}

/** How the second of two matched nodes differs. */
export function changesOf(a: Node, b: Node, matching: Matching): DiffItem[] {
  return [...attributeChanges(a, b), ...inputChanges(a, b, matching)];
}

function attributeChanges(a: Node, b: Node): DiffItem[] {
  const [mine, theirs] = [attributesOf(a), attributesOf(b)];
  return [...new Set([...mine.keys(), ...theirs.keys()])].flatMap((name) => {
    const [before, after] = [mine, theirs].map((texts) => texts.get(name) ?? `no ${name}`);
    return before === after ? [] : [changeOf(showNode(a), a.op, `${before} -> ${after}`)];
  });
}

function inputChanges(a: Node, b: Node, matching: Matching): DiffItem[] {
  const mine = operandsOf(a);
  const theirs = aligned(mine, b, matching);
  const count = Math.max(mine.length, theirs.length);
  return Array.from({ length: count }, (_, i) => {
    const [x, y] = [mine[i] ?? null, theirs[i] ?? null];
    const change = (what: string, brief = what) => [
      changeOf(showNode(a), a.op, `input ${i} ${what}`, `input ${i} ${brief}`),
    ];
    if (!x || !y) return x === y ? [] : change(x ? "left" : "appeared");
    const [before, after] = [leafOf(x), leafOf(y)];
    if (before && after) {
      if (sameTensor(before, after)) return [];
      const brief = x.name.includes(".") ? anyBlock(x.name) : `${a.op} input ${i}`;
      return [changeOf(x.name, brief, tensorChange(before, after))];
    }
    if (matching.same(x, y) || isImplied(x, y, matching)) return [];
    return change(`is ${y.name}, was ${x.name}`, "is another value");
  }).flat();
}

/** The operands of the second node, in the order of the first one's where order means nothing. */
function aligned(mine: readonly (Value | null)[], b: Node, { same }: Matching) {
  const [x, ...more] = mine;
  const [y, z, ...rest] = operandsOf(b);
  const swap = isCommutative(b) && more.length === 1 && rest.length === 0 && x && y && z;
  return swap && !same(x, y) && same(x, z) ? [z, y] : operandsOf(b);
}

/** Something else stands there because what stood there left, or because something new came. */
function isImplied(x: Value, y: Value, { forward, backward }: Matching): boolean {
  const gone = x.producer !== null && !forward.has(x.producer);
  const come = y.producer !== null && !backward.has(y.producer);
  return gone || come;
}

const fewElements = 4;

function tensorChange(before: Initializer, after: Initializer): string {
  const [x, y] = [before, after].map(({ dtype, shape }) => showType({ dtype, shape }));
  if (x !== y) return `${x} -> ${y}`;
  if (elements(before.shape) > fewElements || before.dtype === "string")
    return `${x}, other values`;
  return [before, after].map(({ dtype, data }) => numbers(dtype, data)).join(" -> ");
}

function numbers(dtype: DType, data: Bytes): string {
  return dtypes[dtype].bits < 8 ? "?" : `${decodeElements(dtype, materialize(data))}`;
}

/** Differences outside of the nodes. */
export function modelChanges(a: Model, b: Model, matching: Matching) {
  const lines: Record<"added" | "removed" | "changed", DiffItem[]> = {
    added: [],
    removed: [],
    changed: [],
  };
  const item = (text: string): DiffItem => ({ kind: "interface", text, brief: text });
  const compare = (what: string, before: ReadonlyMap<string, unknown>, after: typeof before) => {
    for (const [name, value] of before) {
      if (!after.has(name)) lines.removed.push(item(`${what} ${name}`));
      else if (after.get(name) !== value) {
        lines.changed.push(item(changeLine(`${what} ${name}`, value, after.get(name))));
      }
    }
    for (const name of after.keys())
      if (!before.has(name)) lines.added.push(item(`${what} ${name}`));
  };
  compare("IR", new Map([["version", a.irVersion]]), new Map([["version", b.irVersion]]));
  compare("opset", opsetsOf(a), opsetsOf(b));
  compare("input", typesOf(a.graph.inputs), typesOf(b.graph.inputs));
  compare("output", typesOf(a.graph.outputs), typesOf(b.graph.outputs));
  compare("metadata", a.metadata, b.metadata);
  compare("function", bodiesOf(a), bodiesOf(b));
  for (const output of a.graph.outputs) {
    const other = b.graph.outputs.find(({ name }) => name === output.name);
    if (!other || matching.same(output, other) || isImplied(output, other, matching)) continue;
    lines.changed.push(item(`output ${output.name} is computed by another node`));
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
