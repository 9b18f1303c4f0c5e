/** Exporters store equal biases once: what is resized gets its own, and nobody else notices. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { distance, edit, read, run, type Tensors } from "./workbench.ts";

const pathOf = (name: string) => `test/fixtures/merged/${name}.onnx`;

function feedsOf(name: string): Tensors {
  const input = (tokens: number) =>
    new ort.Tensor(
      "float32",
      Float32Array.from({ length: 2 * tokens * 8 }, (_, i) => Math.sin(i * i)),
      [2, tokens, 8],
    );
  return name.startsWith("decoder") ? { x: input(5), context: input(4) } : { x: input(5) };
}

async function outputOf(name: string, text: string) {
  const { model, report } = await edit(pathOf(name), text);
  return { y: (await run(model, feedsOf(name))).y!, report, model };
}

const parts = { attn: "heads", mlp: "hidden", cross_attn: "heads" };
const cases = ["encoder-ts17", "encoder-dynamo20", "decoder-ts17", "decoder-dynamo20"].flatMap(
  (name) =>
    Object.entries(parts)
      .filter(([part]) => part !== "cross_attn" || name.startsWith("decoder"))
      .flatMap(([part, unit]) => ["all", "1"].map((at) => [name, `blocks[${at}].${part}`, unit])),
) as [string, string, "heads" | "hidden"][];

test.each(cases)("%s: %s grows and computes the same", async (name, target, unit) => {
  const { y: before } = await run(await read(pathOf(name)), feedsOf(name));
  const size = { heads: 3, hidden: 20 }[unit];
  const { y, report } = await outputOf(name, `resize ${target} to ${unit} ${size}`);
  expect([report.diagnostics, report.keepsFunction]).toEqual([[], true]);
  const { difference, scale } = distance(before!, y);
  expect(difference / scale).toBeLessThan(2e-6);
});

test.each(cases)("%s: %s shrinks as it does where biases differ", async (name, target, unit) => {
  const text = `resize ${target} to ${unit} ${{ heads: 1, hidden: 5 }[unit]}`;
  const { y } = await outputOf(name, text);
  const { difference, scale } = distance((await outputOf(`${name}-apart`, text)).y, y);
  expect(difference / scale).toBeLessThan(5e-6);
  const { y: before } = await run(await read(pathOf(name)), feedsOf(name));
  expect(distance(before!, y).difference).toBeGreaterThan(1e-3);
});

test("a bias behind an Identity is called as the parameter was", async () => {
  const { model } = await outputOf("encoder-ts17", "resize blocks[1..2].attn to heads 3");
  const names = [...model.graph.initializers].map(({ name }) => name);
  const own = ["1", "2"].flatMap((i) => ["q", "k", "v"].map((map) => `${i}.attn.${map}.bias`));
  expect(names).toEqual(expect.arrayContaining(own));
  expect(names).not.toContain("1.attn.proj.bias");
});
