/** What ONNX Runtime's inference does not check, or says that is not so. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onnx } from "onnx-proto";
import { expect, test } from "vitest";
import { createOracle } from "../../runtime/index.ts";
import { readModel } from "../../src/onnx/index.ts";

const oracle = createOracle();

/** A model of opset 18, from its file. */
async function written(graph: onnx.IGraphProto) {
  const path = join(mkdtempSync(join(tmpdir(), "graftc-")), "model.onnx");
  const opsetImport = [{ domain: "", version: 18 }];
  writeFileSync(path, onnx.ModelProto.encode({ irVersion: 8, opsetImport, graph }).finish());
  return readModel(path);
}

test("a Split into more pieces than it has outputs is refused, not made room for", async () => {
  const type = { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 4 }] } } };
  const attribute = [{ name: "num_outputs", type: 2, i: 2 ** 31 }];
  const node = [{ name: "s", opType: "Split", input: ["x"], output: ["y"], attribute }];
  const graph = { name: "g", input: [{ name: "x", type }], output: [{ name: "y", type }], node };
  await expect(oracle.inferTypes(await written(graph))).rejects.toThrow(
    'Node, ("s", Split): num_outputs is 2147483648, with 1 outputs',
  );
});

test("what is reduced along axes that are computed is no scalar", async () => {
  const port = (name: string) => {
    const dim = [2, 5, 8].map((dimValue) => ({ dimValue }));
    return { name, type: { tensorType: { elemType: 1, shape: { dim } } } };
  };
  const one = { name: "one", dataType: 7, dims: [1], int64Data: [-1] };
  const keepdims = [{ name: "keepdims", type: 2, i: 0 }];
  const node = [
    { opType: "Reshape", input: ["one", "one"], output: ["axes"] },
    { opType: "ReduceMean", input: ["x", "axes"], output: ["mean"] },
    { opType: "ReduceMean", input: ["x", "axes"], output: ["less"], attribute: keepdims },
    { opType: "ReduceMean", input: ["x"], output: ["all"], attribute: keepdims },
    { opType: "Sub", input: ["x", "mean"], output: ["y"] },
  ];
  const graph = { name: "g", input: [port("x")], output: [port("y")], initializer: [one], node };
  const types = await oracle.inferTypes(await written(graph));
  expect(["mean", "less", "all"].map((name) => types.get(name)!.shape)).toEqual([
    [2, 5, 1],
    [2, 5],
    [],
  ]);
});
