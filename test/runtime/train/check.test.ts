import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type CheckOptions,
  checkData,
  reportUnused,
  type Wanted,
} from "../../../runtime/train/data/check.ts";
import { openData } from "../../../runtime/train/data/dataset.ts";
import { GraftError, Reporter } from "../../../src/diag/diagnostic.ts";
import { inMemory } from "../../../src/ir/bytes.ts";
import type { DType } from "../../../src/ir/types.ts";
import { writeSafetensors } from "../../../src/onnx/index.ts";
import { encodeElements } from "../../../src/onnx-ops/elements.ts";
import { numbersOf } from "../../../src/onnx-ops/numbers.ts";
import { freshFolder } from "../../onnx/fixtures.ts";

const stored = "test/fixtures/train/formats/stored.npz";

const image: Wanted = { name: "x", dtype: "float32", shape: [1, 3, 2], role: "sample" };
const label: Wanted = { name: "y", dtype: "int64", shape: [], role: "condition", limit: 10 };

async function check(path: string, wanted: readonly Wanted[], options: Partial<CheckOptions> = {}) {
  const reporter = new Reporter();
  const data = await openData(path);
  const checked = await checkData(data, wanted, { batch: 2, seed: 0, ...options }, reporter);
  reportUnused(data, wanted, reporter);
  return { checked, notes: reporter.diagnostics };
}

/** Everything that is said of it, with folders left out. */
async function wordsOf(...run: Parameters<typeof check>): Promise<string[]> {
  const cause = await check(...run).then(
    ({ notes }) => new GraftError(notes),
    (error: unknown) => error,
  );
  if (!(cause instanceof GraftError)) throw cause;
  return cause.diagnostics.map(({ code, message, hint }) =>
    `${code}: ${message}${hint ? ` ${hint}` : ""}`.replaceAll(/(\/?test)?\/\S*\/(?=[^/\s]+)/g, ""),
  );
}

type Column = readonly [dtype: DType, shape: readonly number[], values: readonly number[]];

async function fileOf(columns: Readonly<Record<string, Column>>): Promise<string> {
  const path = join(freshFolder(), "d.safetensors");
  const tensors = Object.entries(columns).map(([name, [dtype, shape, values]]) => {
    return [name, { dtype, shape, data: inMemory(encodeElements(dtype, values)) }] as const;
  });
  await writeSafetensors(path, tensors);
  return path;
}

test("what is wanted is fed in the type that the model takes", async () => {
  const { checked, notes } = await check(stored, [image, { ...label, shape: [] }]);
  expect(notes.map(({ severity, message }) => [severity, message])).toEqual([
    ["note", `${stored} also has \`latents\`, \`note\`, which training does not use`],
  ]);
  expect([...checked.samples]).toEqual([0, 1, 2, 3, 4, 5, 6]);
  const x = checked.feeds.get("x")!;
  expect(x.shape).toEqual([1, 3, 2]);
  expect(x.read([3, 1]).length).toBe(2 * 6 * 4);
  expect(numbersOf("int64", checked.feeds.get("y")!.read([0, 1])).length).toBe(2);
});

test("symbolic sizes are those of the data", async () => {
  const path = await fileOf({
    a: ["float32", [2, 3], [1, 2, 3, 4, 5, 6]],
    b: ["float32", [2, 2], [1, 2, 3, 4]],
  });
  const a: Wanted = { name: "a", dtype: "float32", shape: ["tokens"], role: "other" };
  expect((await check(path, [a])).checked.sizes).toEqual(new Map([["tokens", 3]]));
  expect(await wordsOf(path, [a, { ...a, name: "b" }])).toEqual([
    "data-size: A sample of `b` in d.safetensors is [2], so tokens is 2, but `a` makes it 3",
  ]);
});

test("a part of the data is chosen by the seed", async () => {
  const { samples } = (await check(stored, [image], { amount: { share: 0.4 }, seed: 1 })).checked;
  expect(samples.length).toBe(3);
  expect(await wordsOf(stored, [image], { amount: { count: 8 } })).toEqual([
    "data-subset: The recipe asks for 8 samples, and stored.npz has 7",
  ]);
  expect(await wordsOf(stored, [image], { amount: { share: 0.1 } })).toEqual([
    "data-few: A batch is 2 samples, and there are only 1 lower `batch` or `accumulate` in the recipe, or say `--batch`",
  ]);
});

describe("named before the first step:", () => {
  test("what is missing, unusable, or of another type or shape, all at once", async () => {
    const words = await wordsOf(stored, [
      { ...image, name: "X" },
      { ...image, shape: [3, 3, 2] },
      { ...label, name: "note" },
      { ...label, name: "latents", shape: [2, 3] },
    ]);
    expect(words).toEqual([
      "data-missing: stored.npz has no tensor `X`, float32[1, 3, 2], which training needs did you mean `x`?",
      "data-shape: A sample of `x` in stored.npz is uint8[1, 3, 2], and training needs float32[3, 3, 2]",
      "data-unusable: `note` in stored.npz holds text",
      "data-type: `latents` in stored.npz holds float64, and the model takes int64",
    ]);
  });

  test("what is empty, or has other samples", async () => {
    const path = await fileOf({
      x: ["float32", [4, 1], [1, 2, 3, 4]],
      y: ["int64", [3], [1, 2, 3]],
      z: ["float32", [0, 1], []],
    });
    const x: Wanted = { ...image, shape: [1] };
    expect(await wordsOf(path, [x, label, { ...x, name: "z" }])).toEqual([
      "data-empty: `z` in d.safetensors is empty",
      "data-counts: d.safetensors has 3 samples of `y`, but 4 of `x`",
    ]);
  });

  test("labels that have no meaning", async () => {
    const path = await fileOf({ y: ["int32", [4], [0, 9, 10, -1]] });
    expect(await wordsOf(path, [label])).toEqual([
      "data-range: `y` in d.safetensors is 10 in sample 2, and the model takes 0 to 9",
    ]);
    expect(await wordsOf(path, [{ ...label, dtype: "uint8", limit: undefined }])).toEqual([
      "data-range: `y` in d.safetensors is -1 in sample 3, and the model takes 0 to 255",
    ]);
  });

  const notFinite: [DType, number, string][] = [
    ["float16", Number.NaN, "NaN"],
    ["bfloat16", Number.NEGATIVE_INFINITY, "-Infinity"],
    ["float32", Number.POSITIVE_INFINITY, "Infinity"],
    ["float64", 3.5e38, "3.5e+38"],
  ];
  test.each(notFinite)("%s that is not finite as float32: %d", async (dtype, value, shown) => {
    const values = Array.from({ length: 24 }, (_, i) => i);
    values[4 * 6 - 2] = value;
    const path = await fileOf({ x: [dtype, [4, 2, 3], values] });
    expect(await wordsOf(path, [{ ...image, shape: [2, 3] }])).toEqual([
      `data-not-finite: \`x\` in d.safetensors is ${shown} in sample 3 at [1, 1]`,
    ]);
  });

  test("and beyond the first stretch, but not in what training does not see", async () => {
    const values = new Array<number>(3 << 20).fill(1);
    values[2_500_000] = Number.NaN;
    const path = await fileOf({ x: ["float32", [3 << 10, 1 << 10], values] });
    const wide = { ...image, shape: [1 << 10] };
    const bytes: number[] = [];
    expect(await wordsOf(path, [wide], { progress: (done) => bytes.push(done) })).toEqual([
      "data-not-finite: `x` in d.safetensors is NaN in sample 2441 at [416]",
    ]);
    expect(bytes).toEqual([1 << 22, 1 << 23]);
    const { samples } = (await check(path, [wide], { amount: { count: 9 } })).checked;
    expect(samples).not.toContain(2441);
  });
});

test("a folder without a file that holds data", async () => {
  const folder = freshFolder();
  mkdirSync(join(folder, "sub.npz"));
  writeFileSync(join(folder, ".hidden.npy"), "");
  expect(await wordsOf(folder, [image])).toEqual([
    expect.stringMatching(/^data-folder: .* has no .safetensors, .npz or .npy file$/),
  ]);
});
