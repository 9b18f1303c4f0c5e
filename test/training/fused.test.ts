/** Sites of a model whose residual sums are fused with norms: what teaches is as whole as what learns. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { artifacts } from "../../src/artifacts.ts";
import { materialize } from "../../src/ir/bytes.ts";
import { readSafetensors } from "../../src/onnx/index.ts";
import { decodeElements } from "../../src/onnx-ops/elements.ts";
import { recordedAt } from "../passes/workbench.ts";

const model = "test/fixtures/fused/gpt2-ts13";
const record = `${model}.io.safetensors`;

test("the losses of a part with a fused bias and of the last two blocks are PyTorch's", async () => {
  const out = mkdtempSync(join(tmpdir(), "graftc-"));
  try {
    const edits = join(out, "edits.graft");
    writeFileSync(
      edits,
      "replace blocks[0].mlp with mlp\nparallelize blocks[2, 3] by 2\ndistill { batch: 2 }\n",
    );
    await artifacts({ model: `${model}.onnx`, edits: [edits], out });
    const session = await ort.InferenceSession.create(join(out, "eval_model.onnx"));
    const losses = await session.run({ ...recordedAt(record).feeds, ...weightsIn(out) });
    await session.release();
    const loss = (site: string) => Number(losses[`loss.${site}`]!.data[0]);
    expect(loss("blocks[0].mlp")).toBeLessThan(1e-12);
    const learnt = Number(readSafetensors(record).metadata.get("loss"));
    expect(loss("blocks[2, 3]") / learnt).toBeCloseTo(1, 5);
  } finally {
    rmSync(out, { recursive: true });
  }
});

function weightsIn(folder: string): Record<string, ort.Tensor> {
  const { tensors } = readSafetensors(join(folder, "checkpoint.safetensors"));
  return Object.fromEntries(
    [...tensors].map(([name, { dtype, shape, data }]) => {
      const values = Float32Array.from(decodeElements(dtype, materialize(data)));
      return [name, new ort.Tensor("float32", values, shape)];
    }),
  );
}
