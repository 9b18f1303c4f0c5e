/** Ways of writing blocks that exporters keep: what edits compute is what PyTorch does. */
import { expect, test } from "vitest";
import { distance, edit, recordedAt, run } from "./workbench.ts";

const pathOf = (way: string) => `test/fixtures/written/${way}`;

const edits = [
  ["y", "replace blocks[all].attn with mha"],
  ["y", "replace blocks[all].attn with swa(window: 7)"],
  ["y", "resize blocks[all].attn to heads 5"],
  ["y", "resize blocks[all].mlp to hidden 33"],
  ["y", "repeat blocks[all] times 2"],
  ["one_head", "resize blocks[0].attn to heads 1"],
  ["five_units", "resize blocks[0].mlp to hidden 5"],
  ["second_block", "remove blocks[0]"],
] as const;

const ways = [
  "bmm",
  "sequences",
  "centred",
  "flattened",
  "folded",
  "functions",
  "affine",
  "positions",
  "inner",
];
// Copies of blocks that norm or offset the stream itself are no identities, and an attention to which
// its input is added is not understood; both are said.
const impossible: Readonly<Record<string, RegExp>> = {
  affine: /^repeat/,
  positions: /^repeat/,
  inner: /attn/,
};

test.each(
  ways.flatMap((way) =>
    edits.filter(([, text]) => !impossible[way]?.test(text)).map((each) => [way, ...each] as const),
  ),
)("%s: %s after %s", async (way, key, text) => {
  const { feeds, outputs } = recordedAt(`${pathOf(way)}.io.safetensors`);
  const { model, report } = await edit(`${pathOf(way)}.onnx`, text);
  expect(report.diagnostics).toEqual([]);
  const { difference, scale } = distance(outputs[key]!, (await run(model, feeds)).y!);
  expect(difference / scale).toBeLessThan(5e-6);
});

test.each([
  ["test/fixtures/fused/llama-ts17.onnx", ["q.weight"]],
  ["test/fixtures/models/dit-tiny-dynamo20.onnx", ["q.bias", "q.weight"]],
])("a layer has a bias where its host has one: %s", async (path, names) => {
  const { report } = await edit(
    path,
    `operator plain() for attn {
      layer q = linear(D, D, bias: host.q.bias) from host.q
      return q(x)
    }
    replace blocks[0].attn with plain`,
  );
  const added = report.weights.map(({ name }) => name.split(".").slice(-2).join("."));
  expect(added.sort()).toEqual(names);
});
