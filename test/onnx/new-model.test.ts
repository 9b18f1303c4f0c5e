/** Models that were never a file. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { inMemory } from "../../src/ir/bytes.ts";
import { FunctionBody, Graph, Node, Value } from "../../src/ir/graph.ts";
import { readModel, tensorValues, writeModel } from "../../src/onnx/index.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
import { freshFolder } from "./fixtures.ts";

test("a model can be made from nothing", async () => {
  const graph = new Graph("new");
  const x = new Value("x", { dtype: "float32", shape: ["n", 2] });
  const w = new Value("w");
  const data = inMemory(encodeElements("float32", [1, 2]));
  w.initializer = { dtype: "float32", shape: [2], data, origin: null, metadata: new Map() };
  const y = new Value("y", { dtype: "float32", shape: ["n", 2] });
  const node = new Node({ name: "add", opType: "Add" });
  node.inputs = [x, w];
  node.outputs = [y];
  Object.assign(graph, { nodes: [node], inputs: [x], outputs: [y] });
  for (const value of [x, w, y]) graph.values.set(value.name, value);
  graph.initializers.add(w);
  const out = join(freshFolder(), "new.onnx");
  await writeModel(
    {
      irVersion: 8,
      opsets: new Map([["", 17]]),
      producer: { name: "graftc", version: "1" },
      graph,
      functions: new Map([["f", new FunctionBody("f", null, new Map(), new Map())]]),
      metadata: new Map([["a", "b"]]),
      path: out,
      origin: null,
    },
    out,
  );
  const { graph: read, opsets, metadata, producer } = await readModel(out);
  expect([...opsets, ...metadata, producer]).toEqual([
    ["", 17],
    ["a", "b"],
    { name: "graftc", version: "1" },
  ]);
  expect(read.inputs[0]!.type).toEqual({ dtype: "float32", shape: ["n", 2] });
  expect([...tensorValues(read.values.get("w")!.initializer!)]).toEqual([1, 2]);
  expect(read.nodes[0]!.inputs.map((value) => value!.name)).toEqual(["x", "w"]);
});
