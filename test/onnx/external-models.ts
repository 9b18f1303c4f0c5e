/** Models whose weights lie in data files, and what became of them. */
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onnx } from "onnx-proto";
import { inMemory } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { readModel, tensorBytes } from "../../src/onnx/index.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { digest, freshFolder } from "./fixtures.ts";

export const stamp = { edit: "e.graft:1", site: "", operator: "" };

export interface Entry {
  readonly name: string;
  readonly entries: Record<string, string | number>;
  readonly dims?: readonly number[];
  readonly inline?: Buffer;
}

/** A model whose weights w0, w1, ... are where `weights` say; each is added to x. */
export function modelOf(weights: readonly Entry[]): Uint8Array {
  const tensorType = { elemType: 2, shape: { dim: [{ dimValue: 4 }] } };
  return onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "g",
      input: [{ name: "x", type: { tensorType } }],
      output: [{ name: `y${weights.length - 1}` }],
      node: weights.map(({ name }, i) => ({
        opType: "Add",
        name: `add${i}`,
        input: [i === 0 ? "x" : `y${i - 1}`, name],
        output: [`y${i}`],
      })),
      initializer: weights.map(({ name, entries, dims = [4], inline }) => ({
        name,
        dataType: 2,
        dims: [...dims],
        ...(inline ? { rawData: inline } : { dataLocation: 1 }),
        externalData: Object.entries(entries).map(([key, value]) => ({ key, value: `${value}` })),
      })),
    },
  }).finish();
}

export const pattern = (length: number, seed = 0) =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 255));

/** A folder with model.onnx of these weights, and data files. */
export function folderWith(weights: readonly Entry[], data: Record<string, Buffer>): string {
  const folder = realpathSync(freshFolder());
  for (const [name, bytes] of Object.entries(data)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  writeFileSync(join(folder, "model.onnx"), modelOf(weights));
  return folder;
}

export const at = (location: string, more: Record<string, string | number> = {}): Entry => {
  return { name: "w", entries: { location, ...more } };
};

export const kb = 1024;
/** Three weights of 2 KB behind each other, and one of 100 bytes that is inline. */
export const three = (location: string): Entry[] => [
  ...[0, 1, 2].map((i) => ({
    name: `w${i}`,
    entries: { location, offset: i * 2 * kb, length: 2 * kb },
    dims: [2 * kb],
  })),
  { name: "small", entries: {}, dims: [100], inline: pattern(100, 9) },
];
export const data = pattern(6 * kb, 5);

/** The weights of a written model by name, as bytes. */
export async function weightsOf(path: string): Promise<Record<string, string>> {
  const { graph } = await readModel(path);
  return Object.fromEntries(
    [...graph.initializers].map((value) => [value.name, digest(tensorBytes(value.initializer!))]),
  );
}

export function locationsOf(path: string): Record<string, string> {
  const { initializer } = onnx.ModelProto.decode(readFileSync(path)).graph!;
  return Object.fromEntries(
    initializer!.flatMap(({ name, externalData }) => {
      const entry = (key: string) => externalData!.find((each) => each.key === key)?.value;
      return externalData!.length > 0 ? [[name, `${entry("location")}@${entry("offset")}`]] : [];
    }),
  );
}

/** Drops `gone` from the model and adds one new weight of `bytes`, named `fresh`. */
export function graft(model: Model, gone: string, bytes: Buffer): Value {
  const { graph } = model;
  const node = graph.nodes.find(({ inputs }) => inputs[1]?.name === gone)!;
  const patch = new Patch(graph, stamp, "new");
  const weight = patch.weight("fresh", "uint8", [bytes.length], inMemory(bytes));
  patch.shunt(node.outputs[0]!, patch.one("Mul", [node.inputs[0]!, weight]));
  patch.commit();
  return weight;
}
