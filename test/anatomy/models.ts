/** Models to look into: exports of this repository, and a zoo whose large weights are zeros. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { inferTypes } from "../../passes/infer-types.ts";
import { inlineCalls } from "../../passes/inline.ts";
import { createOracle } from "../../runtime/index.ts";
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import { setInitializer } from "../../src/ir/edit.ts";
import type { Graph, Model, Node } from "../../src/ir/graph.ts";
import { readModel } from "../../src/onnx/index.ts";

const fixtures = "test/fixtures/models";
const zoo = "test/fixtures/anatomy";

export const fixtureNames = namesIn(fixtures, ".onnx");
export const zooNames = namesIn(zoo, ".onnx.gz");

function namesIn(folder: string, ending: string): string[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(ending));
  return files.map((file) => file.slice(0, -ending.length)).sort();
}

const oracle = createOracle();
let scratch: string | null = null;

/** A model with the types of its values filled in. */
export async function open(name: string): Promise<Model> {
  const model = await readModel(
    fixtureNames.includes(name) ? `${fixtures}/${name}.onnx` : unpack(name),
  );
  inlineCalls(model, "blocks");
  await inferTypes(model, oracle);
  return model;
}

function unpack(name: string): string {
  scratch ??= mkdtempSync(join(tmpdir(), "graftc-anatomy-"));
  const path = join(scratch, `${name}.onnx`);
  writeFileSync(path, gunzipSync(readFileSync(`${zoo}/${name}.onnx.gz`)));
  return path;
}

/** The model with weights in the place of its zeros, so that a token tells those beside it apart. */
export async function filled(name: string): Promise<Model> {
  const model = await open(name);
  for (const value of model.graph.initializers) {
    const { initializer } = value;
    const { dtype, shape, data } = initializer!;
    const count = shape.reduce((a, b) => a * b, 1);
    if (dtype !== "float32" || count === 1) continue;
    if (materialize(data).some((byte) => byte !== 0)) continue;
    const numbers = Float32Array.from({ length: count }, (_, i) => Math.sin(i * i + count) / 3);
    setInitializer(value, { ...initializer!, data: inMemory(new Uint8Array(numbers.buffer)) });
  }
  return model;
}

/** Takes every name and all metadata away and shuffles the nodes, as far as dependence allows. */
export function scrub({ graph }: Model, seed: number): void {
  const random = generator(seed);
  const ports = new Set([...graph.inputs, ...graph.outputs]);
  const values = [...graph.values.values()];
  graph.values.clear();
  for (const [i, value] of values.entries()) {
    if (!ports.has(value)) value.name = `v${Math.floor(random() * 1e9)}_${i}`;
    graph.values.set(value.name, value);
  }
  for (const node of graph.nodes) {
    node.name = "";
    node.metadata = new Map();
  }
  graph.nodes = shuffled(graph, random);
}

function shuffled(graph: Graph, random: () => number): Node[] {
  const readers = new Map<Node, Set<Node>>();
  const waiting = new Map<Node, number>();
  for (const node of graph.nodes) {
    const sources = new Set(sourcesOf(node).filter((source) => source.graph === graph));
    waiting.set(node, sources.size);
    for (const source of sources) {
      readers.set(source, (readers.get(source) ?? new Set()).add(node));
    }
  }
  const ready = graph.nodes.filter((node) => waiting.get(node) === 0);
  const order: Node[] = [];
  while (ready.length > 0) {
    const [node] = ready.splice(Math.floor(random() * ready.length), 1);
    order.push(node!);
    for (const reader of readers.get(node!) ?? []) {
      const left = waiting.get(reader)! - 1;
      waiting.set(reader, left);
      if (left === 0) ready.push(reader);
    }
  }
  return order;
}

function sourcesOf(node: Node): Node[] {
  const own = node.inputs.flatMap((value) => value?.producer ?? []);
  const inner = node.subgraphs.flatMap((body) => [
    ...body.nodes.flatMap(sourcesOf),
    ...body.outputs.flatMap((value) => value.producer ?? []),
  ]);
  return [...own, ...inner];
}

/** Mulberry32: any order will do, but the same one every time. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
