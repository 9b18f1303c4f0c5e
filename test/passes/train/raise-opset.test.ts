/** Models of older opsets compute the same in the words of the training opset. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { raiseOpset, trainingOpset } from "../../../passes/train/raise-opset.ts";
import { compareModels } from "../../../runtime/index.ts";
import { readModel, writeModel } from "../../../src/onnx/index.ts";
import { fixture } from "../workbench.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "graftc-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Those of opset 13 to 18 whose reductions, splits and the like had to change. */
const models = [
  fixture("dit-tiny-dynamo18-static"),
  fixture("dit-tiny-ts17"),
  fixture("pixart-ts17"),
  ...["dit-ts13", "dit-ts14-nofold", "timm-swin-ts17", "norm-l2-ts17", "torch-decoder-ts17"].map(
    (name) => `test/fixtures/anatomy/${name}.onnx.gz`,
  ),
];

function unpacked(path: string): string {
  if (!path.endsWith(".gz")) return path;
  const before = join(folder, "before.onnx");
  writeFileSync(before, gunzipSync(readFileSync(path)));
  return before;
}

test.each(models)("%s", async (path) => {
  const before = unpacked(path);
  const model = await readModel(before);
  expect(model.opsets.get("")).toBeLessThan(trainingOpset);
  const raised = raiseOpset(model);
  const after = join(folder, "after.onnx");
  await writeModel(raised, after);
  const { outputs } = await compareModels({ before, after, model: raised });
  for (const { name, absolute, scale } of outputs) {
    expect(scale, name).toBeGreaterThan(0);
    expect(absolute / scale, name).toBeLessThan(1e-5);
  }
});
