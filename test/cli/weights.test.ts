import { join } from "node:path";
import { expect, test } from "vitest";
import { readModel, writeSafetensors } from "../../src/onnx/index.ts";
import { json, root, workspace } from "./graftc.ts";

const model = join(root, "examples/digits/model.onnx");
const { folder, run } = workspace();

test("how many tensors of --weights the result has is said", async () => {
  const names = ["blocks.0.attn.qkv.bias", "blocks.0.attn.proj.bias"];
  const { graph } = await readModel(model);
  const tensors = names.map((name) => {
    const { dtype, shape, data } = graph.values.get(name)!.initializer!;
    return [name, { dtype, shape, data }] as const;
  });
  await writeSafetensors(join(folder, "two.safetensors"), new Map(tensors));
  const words = [model, "-o", "loaded.onnx", "--weights", "two.safetensors"];
  expect(run(...words).stdout).toMatch(/^weights +2 tensors loaded$/m);
  expect(json(run(...words, "--json"))).toMatchObject({ weights_loaded: 2 });
  expect(run(model, "-o", "copy.onnx").stdout).not.toMatch(/^weights/m);
});
