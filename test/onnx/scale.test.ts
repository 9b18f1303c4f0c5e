/** Large models: time in proportion to nodes, and no weight in memory. */
import { closeSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeModel } from "../../src/onnx/encode-model.ts";
import { beginWrite, readModel, tensorBytes } from "../../src/onnx/index.ts";
import { Rope } from "../../src/onnx/rope.ts";
import { freshFolder } from "./fixtures.ts";

/** A chain of Adds, each with names, a weight and metadata as exporters write them. */
function chain(length: number): Uint8Array {
  const graph = new Rope();
  for (let i = 0; i < length; i++) {
    const node = new Rope().text(1, i === 0 ? "x" : `add_${i - 1}`).text(1, `blocks.${i}.weight`);
    node.text(2, `add_${i}`).text(3, `node_add_${i}`).text(4, "Add");
    const scopes = new Rope().text(1, "pkg.torch.onnx.name_scopes");
    node.message(9, scopes.text(2, `['', 'blocks.${i}', 'blocks.${i}.attn', 'add_${i}']`));
    graph.message(1, node);
  }
  graph.text(2, "chain");
  for (let i = 0; i < length; i++) {
    const tensor = new Rope().int(1, 4).int(2, 1).text(8, `blocks.${i}.weight`);
    graph.message(5, tensor.bytes(9, new Uint8Array(16)));
  }
  graph.message(11, new Rope().text(1, "x"));
  graph.message(12, new Rope().text(1, `add_${length - 1}`));
  return new Rope().int(1, 8).message(7, graph).flatten();
}

test("reading and encoding take time in proportion to the nodes", async () => {
  const folder = freshFolder();
  const cpu = async (nodes: number) => {
    const path = join(folder, `${nodes}.onnx`);
    writeFileSync(path, chain(nodes));
    const times: number[] = [];
    for (let run = 0; run < 4; run++) {
      const before = process.cpuUsage();
      const model = await readModel(path);
      expect(model.graph.nodes.length).toBe(nodes);
      model.graph.nodes[nodes / 2]!.name = "renamed";
      encodeModel(model, () => "inline");
      times.push(process.cpuUsage(before).user);
    }
    return Math.min(...times);
  };
  const [small, large] = [await cpu(2_500), await cpu(20_000)];
  expect(large / small).toBeLessThan(8 * 3);
});

test("weights inside a model file of 1.9 GB are stepped over", async () => {
  const path = join(freshFolder(), "large.onnx");
  const weight = 475_000_000;
  const graph = new Rope();
  const file = openSync(path, "w");
  const tensors = [0, 1, 2, 3].map((i) => {
    const head = new Rope()
      .int(1, weight / 4)
      .int(2, 1)
      .text(8, `w${i}`);
    const data = { kind: "computed" as const, length: weight, compute: () => new Uint8Array(0) };
    return head.data(9, data);
  });
  for (const tensor of tensors) graph.message(5, tensor);
  graph.message(12, new Rope().text(1, "w3"));
  let at = 0;
  for (const part of new Rope().message(7, graph).parts) {
    if (part.kind === "memory") writeSync(file, part.data, 0, part.data.length, at);
    at += part.kind === "memory" ? part.data.length : weight;
  }
  closeSync(file);
  truncateSync(path, at);
  expect(statSync(path).size).toBeGreaterThan(1.9e9);
  const before = process.memoryUsage().rss;
  const model = await readModel(path);
  const names = [...model.graph.initializers].map(({ name, initializer }) => {
    return [name, initializer!.data.kind, initializer!.shape[0]];
  });
  expect(names).toEqual([0, 1, 2, 3].map((i) => [`w${i}`, "file", weight / 4]));
  model.metadata.set("a", "b");
  const parts = encodeModel(model, () => "inline").parts;
  expect(parts.length).toBeLessThan(8);
  expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20);
  const last = model.graph.values.get("w3")!.initializer!;
  const { data } = last;
  if (data.kind !== "file") throw new Error("not in the file");
  expect(tensorBytes({ ...last, data: { ...data, length: 8 } })).toEqual(new Uint8Array(8));
});

test("a copy that is begun early is kept as far as the edited model needs it", async () => {
  const folder = freshFolder();
  const size = 48 << 20;
  const third = size / 3;
  const graph = new Rope();
  for (const i of [0, 1, 2]) {
    const tensor = new Rope().int(1, third).int(2, 2).text(8, `w${i}`);
    const entries = { location: "m.data", offset: `${i * third}`, length: `${third}` };
    for (const [key, value] of Object.entries(entries)) {
      tensor.message(13, new Rope().text(1, key).text(2, value));
    }
    graph.message(5, tensor.int(14, 1));
  }
  const path = join(folder, "m.onnx");
  writeFileSync(path, new Rope().message(7, graph).flatten());
  const data = Buffer.alloc(size);
  for (let i = 0; i < size; i += 4096) data.writeUInt32LE(i, i);
  writeFileSync(join(folder, "m.data"), data);
  const model = await readModel(path);
  const out = join(freshFolder(), "out.onnx");
  const write = beginWrite(model, out);
  const gone = model.graph.values.get("w1")!;
  model.graph.initializers.delete(gone);
  model.graph.values.delete("w1");
  await write.stage();
  await write.settle();
  write.publish();
  write.abandon();
  const written = await readModel(out);
  const bytes = (name: string) => tensorBytes(written.graph.values.get(name)!.initializer!);
  expect(data.subarray(0, third).equals(bytes("w0"))).toBe(true);
  expect(data.subarray(2 * third).equals(bytes("w2"))).toBe(true);
  expect(statSync(`${out}.data`).size).toBe(2 * third);
});
