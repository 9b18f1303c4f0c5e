import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compile, inspect } from "../../src/index.ts";
import type { External } from "../../src/onnx/index.ts";
import { json, root, workspace } from "./graftc.ts";

const model = join(root, "examples/digits/model.onnx");
const { folder, file, run } = workspace();
const hyena = file(
  "hyena.graft",
  "param kernel = 4\n\nreplace blocks[odd].attn with hyena_x(kernel: kernel)\n",
);

test("--json is one document, and nothing else is on stdout", () => {
  const done = run(model, hyena, "-o", "json.onnx", "--json");
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(json(done)).toMatchObject({
    model,
    out: "json.onnx",
    edits: [
      {
        file: "hyena.graft",
        line: 3,
        text: "replace blocks[odd].attn with hyena_x(kernel: kernel)",
        sites: ["blocks[1].attn", "blocks[3].attn", "blocks[5].attn", "blocks[7].attn"],
        parameters_added: 4 * (4 * 96 * 97 + 5 * 288),
        parameters_removed: 4 * 4 * 96 * 97,
        flops_before: expect.any(Number),
        flops_after: expect.any(Number),
      },
    ],
    bytes_written: readFileSync(join(folder, "json.onnx")).byteLength,
    diagnostics: [],
  });
});

test("--dry-run plans and writes nothing", () => {
  const before = readdirSync(folder);
  const planned = run(model, hyena, "--dry-run");
  expect(planned.code).toBe(0);
  expect(planned.stdout).toContain("nothing written (dry run)");
  expect(json(run(model, hyena, "-o", "dry.onnx", "--dry-run", "--json"))).toMatchObject({
    out: null,
    bytes_written: 0,
    edits: [{ line: 3 }],
  });
  expect(readdirSync(folder)).toEqual(before);
});

test("bytes are those of the model's files, in inspect, ensure and the result", async () => {
  const input = join(root, "test/fixtures/models/dit-tiny-external.onnx");
  const sizeOf = (...paths: string[]) => paths.reduce((sum, path) => sum + statSync(path).size, 0);
  const home = join(folder, "bytes");
  mkdirSync(home);
  const copy = join(home, "in.onnx");
  await compile({ model: input, edits: [], out: copy });
  const files: Record<External, string[]> = {
    auto: ["out.onnx", "out.onnx.data"],
    inline: ["out.onnx"],
    file: ["out.onnx", "out.onnx.data"],
    share: ["out.onnx", "out.onnx.data", "in.onnx.data"],
  };
  expect((await inspect(copy)).model.bytes).toBe(sizeOf(copy, `${copy}.data`));
  for (const [external, names] of Object.entries(files) as [External, string[]][]) {
    const given = {
      model: copy,
      edits: [join(folder, hyena)],
      out: join(home, "out.onnx"),
      external,
    };
    const done = await compile(given);
    const size = sizeOf(...names.map((name) => join(home, name)));
    const seen = (await inspect(given.out)).model.bytes;
    const { after } = await compile({ ...given, dryRun: true });
    expect([done.after.bytes, seen, after.bytes], external).toEqual([size, size, size]);
    // The text of the bound is part of the model that it bounds.
    const bound = (bytes: number) => file("bound.graft", `ensure { bytes: <= ${bytes} }`);
    const bounded = (bytes: number) =>
      compile({ ...given, edits: [...given.edits, join(folder, bound(bytes))], dryRun: true });
    await bounded(size + 300);
    await expect(bounded(size - 1), external).rejects.toThrow(/bound-broken/);
    rmSync(join(home, "out.onnx.data"), { force: true });
  }
});

test("--explain says why, with the nearest misses", () => {
  const { stdout } = run(model, hyena, "--dry-run", "--explain");
  expect(stdout).toMatch(/hyena\.graft:3: blocks\[odd\]\.attn selects 4/);
  expect(stdout).toMatch(/not blocks\[\d\]\.attn/);
});

test("--set changes a param, and only one that is there", () => {
  const wide = json<{ edits: { parameters_added: number }[] }>(
    run(model, hyena, "--dry-run", "--json", "--set", "kernel=8"),
  );
  expect(wide.edits[0]!.parameters_added).toBe(4 * (4 * 96 * 97 + 9 * 288));
  expect(run(model, hyena, "--dry-run", "--set", "kernal=8")).toMatchObject({ code: 1 });
});

function bytes(edits: string, name: string, ...flags: string[]): Buffer {
  expect(run(model, edits, "-o", name, ...flags).code).toBe(0);
  return readFileSync(join(folder, name));
}

test("a seed makes the bytes", () => {
  const zero = bytes(hyena, "s0.onnx");
  expect(bytes(hyena, "s1.onnx", "--seed", "0").equals(zero)).toBe(true);
  expect(bytes(hyena, "s2.onnx", "--seed", "1").equals(zero)).toBe(false);
});

test("where a file of edits lies does not", () => {
  const plain = bytes(hyena, "p0.onnx");
  mkdirSync(join(folder, "below"));
  copyFileSync(join(folder, hyena), join(folder, "below", hyena));
  const paths = [`./${hyena}`, `below/${hyena}`, join(folder, hyena)];
  for (const path of paths) expect(bytes(path, "p1.onnx").equals(plain), path).toBe(true);
});

test("--verify compares both models", () => {
  const grown = file("grow.graft", "repeat blocks[3] times 2\n");
  const { code, stdout } = run(model, grown, "-o", "grown.onnx", "--verify");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^difference +out: \S+ at most, of values up to \S+; rounding explains/m);
});

test("--verify compares a model whose weights are in another file", () => {
  const done = run(model, hyena, "-o", "apart.onnx", "--external", "file", "--verify");
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(done.stdout).toMatch(/^difference +out: /m);
});

test("recipes are not run, and that is said", () => {
  const recipe = file(
    "recipe.graft",
    "replace blocks[0].attn with hyena_x\ndistill { steps: 10 }\n",
  );
  const done = run(model, recipe, "-o", "recipe.onnx");
  expect(done.stdout).toMatch(/^not run +distill \(recipe\.graft:2\)/m);
  expect(json(run(model, recipe, "--dry-run", "--json"))).toMatchObject({
    recipes: [{ stage: "distill", place: "recipe.graft:2" }],
  });
});

test("without edits the file is copied byte for byte", () => {
  expect(run(model, "-o", "copy.onnx").code).toBe(0);
  expect(readFileSync(join(folder, "copy.onnx")).equals(readFileSync(model))).toBe(true);
});

const binary = file("binary.graft", "\0\x01\x02");
const wrong = file(
  "wrong.graft",
  "replace blocks[1].atn with hyena_x\nresize blocks[2].mlp to ratio 0\n",
);

/** Requests that cannot be met, and what is said of them. */
const refusals: readonly (readonly [words: string[], code: string])[] = [
  [[model, wrong], "no-such-part"],
  [[model, "nowhere.graft"], "unreadable-edits"],
  [[model, binary], "unreadable-edits"],
  [["nowhere.onnx", hyena], "file-unreadable"],
  [[folder, hyena], "file-unreadable"],
  [[file("text.onnx", "no model"), hyena], "model-malformed"],
  [[model, hyena, "--analysis", "nowhere.json"], "file-unreadable"],
  [[model, hyena, "--weights", "nowhere.safetensors"], "file-unreadable"],
];

test.each([
  { out: hyena, words: [] },
  { out: "weights.safetensors", words: ["--weights", "weights.safetensors@blocks[1].attn"] },
  { out: "report.json", words: ["--analysis", "report.json"] },
  { out: "x.onnx.data", words: ["--external", "file", "--analysis", "x.onnx.data"] },
])("no file that the result is made from is replaced: $out", ({ out, words }) => {
  if (words.length > 0) file(out, "what was there");
  const before = readFileSync(join(folder, out));
  const target = `./${out.replace(/\.data$/, "")}`;
  const failed = run(model, hyena, ...words, "-o", target, "--json");
  expect(failed.code).toBe(1);
  expect(json(failed)).toMatchObject({ diagnostics: [{ code: "out-overwrites-input" }] });
  expect(readFileSync(join(folder, out))).toEqual(before);
});

test.each(refusals)("a failure leaves OUT as it was: %j", (words, code) => {
  const out = file("kept.onnx", "what was there");
  const before = readdirSync(folder);
  const failed = run(...words, "-o", out, "--json");
  expect(failed.code).toBe(1);
  expect(json(failed)).toMatchObject({ model: words[0], out: null, edits: [], bytes_written: 0 });
  expect(failed.stdout).toContain(`"code": "${code}"`);
  expect(failed.stderr).toContain(`error[${code}]`);
  expect(failed.stderr).not.toMatch(/^\s+at /m);
  expect(readFileSync(join(folder, out), "utf8")).toBe("what was there");
  expect(readdirSync(folder)).toEqual(before);
});

test("a signal is heard before the model is even understood", async () => {
  const before = readdirSync(folder);
  const calls = [
    (signal: AbortSignal) =>
      compile({ model, edits: [join(folder, hyena)], out: join(folder, "never.onnx"), signal }),
    (signal: AbortSignal) => inspect(model, signal),
  ];
  for (const call of calls) {
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    await expect(call(controller.signal)).rejects.toMatchObject({ name: "AbortError" });
  }
  expect(readdirSync(folder)).toEqual(before);
});

test("one run shows several mistakes, with their places", () => {
  const { stdout } = run(model, wrong, "-o", "x.onnx", "--json");
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { line: number; file: string }[] };
  expect(diagnostics.map(({ file, line }) => `${file}:${line}`)).toEqual([
    "wrong.graft:1",
    "wrong.graft:2",
  ]);
  expect(existsSync(join(folder, "x.onnx"))).toBe(false);
});

test("places that cannot be written", () => {
  expect(run(model, hyena, "-o", "no/such/folder/x.onnx")).toMatchObject({ code: 1 });
  expect(run(model, hyena, "-o", ".")).toMatchObject({ code: 1 });
  expect(existsSync(join(folder, "no"))).toBe(false);
});

test("FLOPs are not told where nothing was asked about the model's shapes", () => {
  expect(run(model, "-o", "plain.onnx").stderr).not.toContain("FLOPs");
  expect(json(run(model, "-o", "plain.onnx", "--json"))).toMatchObject({
    before: { flops: null },
    after: { flops: null },
  });
});

test("diff: 0 the same, 1 different, 2 trouble", () => {
  run(model, hyena, "-o", "b.onnx");
  expect(run("diff", model, model)).toMatchObject({ code: 0, stdout: "no difference but names\n" });
  const differs = run("diff", model, "b.onnx", "--json");
  expect(differs.code).toBe(1);
  expect(json(differs)).toMatchObject({
    same: false,
    groups: [
      { where: "model", added: ["metadata graftc.edits"] },
      ...[1, 3, 5, 7].map((i) => ({
        where: `blocks[${i}].attn`,
        added: expect.arrayContaining([`blocks.${i}.attn.short_filter.weight float32[288, 1, 4]`]),
        removed: expect.arrayContaining([expect.stringMatching(/^Softmax /)]),
        edit: "hyena.graft:3",
      })),
    ],
  });
  expect(run("diff", model, "nowhere.onnx")).toMatchObject({ code: 2, stdout: "" });
  expect(json(run("diff", model, "nowhere.onnx", "--json"))).toMatchObject({
    same: null,
    groups: [],
  });
  expect(run("diff", model, "b.onnx", "--quiet")).toEqual({ code: 1, stdout: "", stderr: "" });
});

test("new makes what inspect sees and ONNX Runtime runs", () => {
  const words = ["dit-s/2", "--depth", "3", "--width", "48", "--heads", "4", "--tokens", "16"];
  const made = run("new", ...words, "-o", "new.onnx", "--json");
  expect(json(made)).toMatchObject({ preset: "dit-s/2", out: "new.onnx", parameters: 197_168 });
  expect(json(run("inspect", "new.onnx", "--json"))).toMatchObject({
    model: { parameters: 197_168 },
    stacks: [{ name: "blocks", width: 48, tokens: 16, heads: 4, blocks: { length: 3 } }],
    unplaced: 0,
  });
  const edits = file(
    "new.graft",
    "replace blocks[1].attn with mha\nresize blocks[2].mlp to ratio 6\n",
  );
  expect(run("new.onnx", edits, "--verify", "-o", "grafted.onnx").code).toBe(0);
});

test("a device that there is none of is refused before the model is read", async () => {
  const options = { model: "none.onnx", edits: [], out: "none-out.onnx", device: "gpu" };
  await expect(compile(options)).rejects.toMatchObject({
    diagnostics: [{ code: "wrong-usage", message: "There is no device `gpu`" }],
  });
});
