/** Operators that nobody knows: they are named where they stand in the way of an edit. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { freshFolder } from "../onnx/fixtures.ts";
import { edit, fixture, read } from "../passes/workbench.ts";
import { open } from "./models.ts";

/** The fixture with the first operator of a type turned into one of another name, as long. */
function exportWith(type: string, other: string): string {
  const bytes = readFileSync(fixture("dit-tiny-dynamo20"), "latin1");
  const field = (name: string) => `\x22${String.fromCharCode(name.length)}${name}`;
  const changed = bytes.replace(field(type), field(other));
  expect(changed).not.toBe(bytes);
  const path = join(freshFolder(), "model.onnx");
  writeFileSync(path, changed, "latin1");
  return path;
}

test.each([
  ["Softmax", "Sparser", "attn", "resize blocks[0].attn to heads 2"],
  ["Gelu", "Zelu", "mlp", "resize blocks[0].mlp to ratio 2"],
  ["LayerNormalization", "OtherNormalization", "attn", "resize blocks[0].attn to heads 2"],
])("%s", async (type, other, part, text) => {
  const path = exportWith(type, other);
  const [stack] = anatomize(await read(path)).stacks;
  expect(stack!.blocks[0]!.parts.get(part)!.host).toMatchObject({
    opaque: `\`${other}\` is an unknown operator`,
  });
  expect(stack!.blocks[1]!.parts.get(part)!.host).toMatchObject({ opaque: null });
  await expect(edit(path, text)).rejects.toThrow(`\`${other}\` is an unknown operator`);
});

test("those of ONNX Runtime's optimizer are known, whatever else is not understood", async () => {
  const model = await open("cogvideox-dynamo20");
  const patch = new Patch(model.graph, null, "");
  for (const { opType, inputs, outputs } of model.graph.nodes) {
    const [output] = outputs;
    if (opType === "LayerNormalization" && output!.type?.shape?.length === 4) {
      patch.shunt(output!, patch.one("SimplifiedLayerNormalization", [output!, inputs[1]!]));
    } else if (opType === "Softmax") patch.shunt(output!, patch.one("Sigmoid", [inputs[0]!]));
  }
  patch.commit();
  const [stack] = anatomize(model).stacks;
  expect(stack!.blocks[0]!.parts.get("attn")!.host).toMatchObject({
    opaque: "no attention is seen in it, nor that its tokens stay apart",
  });
});
