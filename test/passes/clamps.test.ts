/** Copies of blocks that clamp their sums: what left a clamp passes one as wide. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { filled, open } from "../anatomy/models.ts";
import { distance, editModel, run } from "./workbench.ts";

test("clamps to what half precision holds keep every number", async () => {
  const model = await open("t5-fp16-ts17");
  const { report } = await editModel(model, "repeat blocks[all] times 2");
  expect(report.diagnostics).toEqual([]);
  expect(report.keepsFunction).toBe(true);
});

/** Large enough that the clamps, at 50, do clamp. */
const x = new ort.Tensor(
  "float32",
  Float32Array.from({ length: 110 }, (_, i) => 900 * Math.sin(i * i)),
  [1, 11, 10],
);

test("a copy behind a clamp starts as the identity", async () => {
  const model = await filled("block-clamp-ts17");
  const [before] = Object.values(await run(model, { x }));
  const { report } = await editModel(model, "repeat blocks[0, 1] times 2");
  expect(report.diagnostics).toEqual([]);
  const [after] = Object.values(await run(model, { x }));
  const { difference, scale } = distance(before!, after!);
  expect(difference / scale).toBeLessThan(2e-6);
});

test("a clamp that is narrower than what enters is told", async () => {
  const model = await open("block-clamp-ts17");
  const { report } = await editModel(model, "repeat blocks[-1] times 2");
  const [told] = report.diagnostics;
  expect(told!.code).toBe("not-identity");
  expect(told!.message).toContain("clamps the stream");
});
