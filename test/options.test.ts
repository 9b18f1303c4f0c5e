/** The library's functions with options that their types do not allow. */
import { expect, test } from "vitest";
import { format } from "../grammar/index.ts";
import { artifacts } from "../src/artifacts.ts";
import { check } from "../src/check.ts";
import { compile } from "../src/compile.ts";
import type { GraftError } from "../src/diag/diagnostic.ts";
import { readModel, readSafetensors, writeModel } from "../src/onnx/index.ts";
import { createPreset } from "../src/presets/index.ts";
import { train } from "../src/train.ts";
import { diff, inspect } from "../src/views.ts";

const functions = { compile, train, artifacts, check };
const plain = { model: "model.onnx", edits: ["edits.graft"] };

test.each([
  ["compile", { ...plain, seed: -1 }, "The option `seed` has to be a whole number, 0 or more"],
  ["compile", { ...plain, seed: "1" }, "The option `seed` has to be a whole number, 0 or more"],
  [
    "compile",
    { ...plain, external: "apart" },
    "The option `external` has to be auto, inline, file, share",
  ],
  ["compile", { ...plain, edits: "edits.graft" }, "The option `edits` has to be a list of texts"],
  ["compile", { ...plain, output: "out.onnx" }, "`compile` has no option `output`"],
  ["compile", { edits: [] }, "`compile` needs the option `model`"],
  ["compile", { ...plain, data: "data" }, "`compile` has no option `data`"],
  [
    "train",
    { ...plain, data: "data", steps: 1.5 },
    "The option `steps` has to be a whole number, 1 or more",
  ],
  ["train", plain, "`train` needs the option `data`"],
  ["artifacts", { ...plain, out: "out", verify: true }, "`artifacts` has no option `verify`"],
  ["check", { ...plain, seed: 0 }, "`check` has no option `seed`"],
  ["check", undefined, "`check` takes an object of options"],
] as const)("%s(%j): %s", async (name, options, message) => {
  const call = functions[name] as (options: unknown) => Promise<unknown>;
  const { diagnostics } = (await call(options).catch((cause: GraftError) => cause)) as GraftError;
  expect(diagnostics.map((each) => [each.code, each.message])).toEqual([["wrong-usage", message]]);
});

test("an option that is null or undefined is left out", async () => {
  const options = { ...plain, out: null, seed: undefined, dryRun: true };
  const { diagnostics } = (await compile(options).catch((cause) => cause)) as GraftError;
  expect(diagnostics.map(({ code }) => code)).not.toContain("wrong-usage");
});

test.each([
  ["inspect", () => inspect({ model: "model.onnx" } as never)],
  ["diff", () => diff(undefined as never, "b.onnx")],
  ["readModel", () => readModel(7 as never)],
  ["writeModel", () => writeModel(createPreset("dit-s/2", "m.onnx"), null as never)],
  ["readSafetensors", async () => readSafetensors(["a.safetensors"] as never)],
] as const)("%s takes paths as text", async (_, call) => {
  const { diagnostics } = (await call().then(undefined, (cause) => cause)) as GraftError;
  expect(diagnostics.map(({ message }) => message)).toEqual(["A path has to be text"]);
});

test("a path is no URL", async () => {
  const url = new URL("file:///model.onnx") as never;
  const { diagnostics } = (await inspect(url).catch((cause) => cause)) as GraftError;
  expect(diagnostics[0]?.hint).toContain("fileURLToPath");
});

test("without `out` nothing is compiled but in a dry run", async () => {
  const { diagnostics } = (await compile(plain).catch((cause) => cause)) as GraftError;
  expect(diagnostics.map(({ code }) => code)).toEqual(["out-missing"]);
});

test("texts of the language have a path", () => {
  expect(() => format("remove blocks[0]" as never)).toThrow("`{ path, text }`");
});
