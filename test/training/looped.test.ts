/** Training with several steps in a call against fewer, and against a step in two calls. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readLog } from "../../runtime/train/log.ts";
import { drawsOf } from "../../runtime/train/noise.ts";
import { inMemory } from "../../src/ir/bytes.ts";
import { writeSafetensors } from "../../src/onnx/index.ts";
import { train } from "../../src/train.ts";
import { firstBlocks } from "./workbench.ts";

let folder: string;
let data: string;
let model: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "graftc-"));
  data = join(folder, "data.safetensors");
  const x = new Float32Array(8 * 4 * 8 * 8);
  drawsOf(1, "x").normals(0, 0, x);
  const y = BigInt64Array.from({ length: 8 }, (_, i) => BigInt(i));
  await writeSafetensors(
    data,
    new Map([
      ["x", { dtype: "float32", shape: [8, 4, 8, 8], data: inMemory(new Uint8Array(x.buffer)) }],
      ["y", { dtype: "int64", shape: [8], data: inMemory(new Uint8Array(y.buffer)) }],
    ]),
  );
  model = await firstBlocks(folder, 2);
  writeFileSync(
    join(folder, "e.graft"),
    `replace blocks[1].attn with hyena_x init fresh
     distill { steps: 5, batch: 2, lr: 1e-3, ema: 0.9, label_drop: 30% }`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

async function trained(stepsPerCall: number) {
  const out = join(folder, `${stepsPerCall}.onnx`);
  const edits = [join(folder, "e.graft")];
  const { run } = await train({ model, edits, data, out, stepsPerCall });
  const log = readLog(join(run!, "log.jsonl")).map(({ seconds: _, ...row }) => row);
  return { bytes: readFileSync(out), log };
}

test("how many steps a call takes changes no bit, and nothing that matters otherwise", async () => {
  const few = await trained(2);
  const many = await trained(64);
  expect(many.log).toEqual(few.log);
  expect(many.bytes.equals(few.bytes)).toBe(true);
  const single = await trained(1);
  expect(single.log.length).toBe(5);
  for (const [i, { loss }] of single.log.entries()) expect(many.log[i]!.loss).toBeCloseTo(loss, 6);
});
