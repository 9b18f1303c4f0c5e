/** What an edit does does not depend on how the host lays out its residual stream. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { filled } from "../anatomy/models.ts";
import { distance, editModel, read, run } from "./workbench.ts";

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
  const wave = (size: number, shape: number[]) => {
    const data = Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + size));
    return new ort.Tensor("float32", data, shape);
  };
  const feeds = { x: wave(5 * 48, [5, 6, 8]), memory: wave(5 * 32, [5, 4, 8]) };
  const codes = report.diagnostics.map(({ code }) => code);
  return { y: (await run(model, feeds)).y!, codes, keeps: report.keepsFunction };
}

test.each(edits)("%s", async (edit) => {
  const second = await outputOf("second", edit);
  for (const form of ["first", "grid"]) {
    const other = await outputOf(form, edit);
    const { difference, scale } = distance(second.y, other.y);
    expect(difference / scale, form).toBeLessThan(2e-6);
    expect([form, other.codes, other.keeps]).toEqual([form, second.codes, second.keeps]);
  }
});

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
