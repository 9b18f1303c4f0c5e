/** What an edit does does not depend on how the host lays out its residual stream. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, expect, test } from "vitest";
import type { Model } from "../../src/ir/graph.ts";
import { filled } from "../anatomy/models.ts";
import { bytesOf, distance, edit, editModel, read, run } from "./workbench.ts";

const cross = `
operator across for cross_attn {
  layer q_proj   = linear(D, D) from host.q
  layer k_proj   = linear(D_context, D) from host.k
  layer v_proj   = linear(D_context, D) from host.v
  layer out_proj = linear(D, D) from host.out

  q = split_heads(q_proj(x), H)
  k = split_heads(k_proj(context), H)
  p = softmax(q @ transpose(k) * host.scale)
  return out_proj(merge_heads(p @ split_heads(v_proj(context), H))) * (1 + M)
}
`;

const edits = [
  "replace blocks[all].attn with mha",
  "replace blocks[all].attn with hyena_x",
  "replace blocks[0].attn with swa(window: 2)",
  "replace blocks[1].attn with linear_attention",
  "replace blocks[1].attn with mamba2",
  "replace blocks[1].mlp with mlp_hyena_x",
  'replace blocks[1].mlp with mlp_hyena_x(along: "tokens")',
  `replace blocks[all].cross_attn with across${cross}`,
  "resize blocks[1].attn to heads 1",
  "resize blocks[all].mlp to ratio 2",
  "parallelize blocks[all] by 2",
];

async function outputOf(form: string, edit: string) {
  const { model, report } = await editModel(await read(`test/fixtures/streams/${form}.onnx`), edit);
  const codes = report.diagnostics.map(({ code }) => code);
  return { y: await outputIn(form, model), codes, keeps: report.keepsFunction };
}

async function outputIn(form: string, model: Model): Promise<ort.Tensor> {
  const wave = (size: number, shape: number[]) => {
    const data = Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + size));
    return new ort.Tensor("float32", data, shape);
  };
  const feeds = { x: wave(5 * 48, [5, 6, 8]), memory: wave(5 * 32, [5, 4, 8]) };
  return form === "alone" ? oneByOne(model, feeds) : (await run(model, feeds)).y!;
}

/** Each sample by itself, where the model has no axis for several. */
async function oneByOne(model: Model, feeds: Record<string, ort.Tensor>): Promise<ort.Tensor> {
  const all = Object.entries(feeds);
  const samples = all[0]![1].dims[0]!;
  const found: number[] = [];
  for (let i = 0; i < samples; i++) {
    const own = all.map(([name, { data, dims }]) => {
      const size = data.length / samples;
      const part = (data as Float32Array).slice(i * size, (i + 1) * size);
      return [name, new ort.Tensor("float32", part, dims.slice(1))] as const;
    });
    found.push(...((await run(model, Object.fromEntries(own))).y!.data as Float32Array));
  }
  return new ort.Tensor("float32", Float32Array.from(found), [samples, found.length / samples]);
}

test.each(edits)("%s", async (edit) => {
  const second = await outputOf("second", edit);
  for (const form of ["first", "grid", "alone"]) {
    const other = await outputOf(form, edit);
    const { difference, scale } = distance(second.y, other.y);
    expect(difference / scale, form).toBeLessThan(2e-6);
    expect([form, other.codes, other.keeps]).toEqual([form, second.codes, second.keeps]);
  }
});

const folder = mkdtempSync(join(tmpdir(), "graftc-streams-"));
afterAll(() => rmSync(folder, { recursive: true }));

test.each(["second", "first", "grid", "alone"])(
  "%s: what took the attentions' place shows how tokens lie",
  async (form) => {
    const path = `test/fixtures/streams/${form}.onnx`;
    const mixers = "replace blocks[all].attn with hyena_x\nremove blocks[all].cross_attn";
    const filter = 'replace blocks[all].mlp with mlp_hyena_x(along: "tokens")';
    const between = join(folder, `${form}.onnx`);
    writeFileSync(between, bytesOf((await edit(path, mixers)).model));
    const { model: twice } = await edit(between, filter);
    const { model: once } = await edit(path, `${mixers}\n${filter}`);
    const [a, b] = [await outputIn(form, twice), await outputIn(form, once)];
    expect(distance(a, b).difference).toBe(0);
  },
);

test("a window on the grid is that of the tokens' grid", async () => {
  const whole = await outputOf("grid", "replace blocks[0].attn with swa_2d(window: 5)");
  const plain = await outputOf("grid", "replace blocks[0].attn with swa(window: 6, causal: false)");
  const { difference, scale } = distance(whole.y, plain.y);
  expect(difference / scale).toBeLessThan(2e-6);
});

const relu = `
operator relu_mlp for mlp {
  layer fc1 = linear(D, 2 * D) from host.fc1
  layer fc2 = linear(2 * D, D) from host.fc2

  return fc2(relu(fc1(x)))[:, :N]
}
`;

test("an MLP takes the tokens of all samples one behind the other", async () => {
  const model = await filled("opt-dynamo20");
  const ids = BigInt64Array.from({ length: 21 }, (_, i) => BigInt(i + 1));
  const feeds = {
    input_ids: new ort.Tensor("int64", ids, [3, 7]),
    attention_mask: new ort.Tensor("int64", new BigInt64Array(21).fill(1n), [3, 7]),
  };
  const [before] = Object.values(await run(model, feeds));
  await editModel(model, `replace blocks[all].mlp with relu_mlp${relu}`);
  const [after] = Object.values(await run(model, feeds));
  const { difference, scale } = distance(before!, after!);
  expect(difference / scale).toBeLessThan(2e-6);
});
