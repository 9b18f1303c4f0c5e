/**
 * `npm run bench [-- small|depth|large|long|training|digits ... --runs N] [--model FILE] [--folder FOLDER] [--command 'NAME=WORDS ...']`
 *
 * Whole processes against `cp` of the same files. Without --model, a DiT-XL/2 (2.7 GB) is made in
 * FOLDER, which is /dev/shm where that has room. In a further command {model}, {edits} and {out}
 * stand for the files. `digits` takes hours and runs only where it is named. Steps of
 * `training` run beside PyTorch's with --torch 'PYTHON SCRIPT' (see train.mjs).
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { digits } from "./digits.mjs";
import { longSequences, size } from "./long.mjs";
import { compare, median } from "./process.mjs";
import { trainingSteps } from "./train.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
// Node 20 parses these certificates at every start: 40 ms, and nothing here asks for them.
delete process.env.NODE_EXTRA_CA_CERTS;
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "5" },
    model: { type: "string" },
    folder: { type: "string" },
    command: { type: "string", multiple: true, default: [] },
    torch: { type: "string" },
  },
});
const runs = Number(flags.runs);
const needed = 9e9;
const shm = existsSync("/dev/shm") ? statfsSync("/dev/shm") : null;
const roomy = shm !== null && shm.bavail * shm.bsize > needed;
const base = flags.folder ?? (roomy ? "/dev/shm" : tmpdir());
const folder = mkdtempSync(join(base, "graftc-bench-"));
const graftc = [process.execPath, "dist/cli.js"];
const out = join(folder, "out");

const cleared = () => {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
};

/** A model and its external data: the files beside it whose names start with its name. */
const filesOf = (model) =>
  readdirSync(dirname(model))
    .filter((name) => name === basename(model) || name.startsWith(`${basename(model)}.`))
    .map((name) => join(dirname(model), name));

const megabytes = (bytes) => (bytes === null ? "" : `${(bytes / 1e6).toFixed(0)} MB`);

function print(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const pad = (cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
  for (const row of rows) console.log(`  ${row.map(pad).join("  ")}`);
}

/** The edit of the table: Hyena-X that inherits, in every odd block. */
async function large() {
  const model = resolve(flags.model ?? join(folder, "model/dit-xl-2.onnx"));
  if (!flags.model) {
    mkdirSync(dirname(model));
    console.log("making a DiT-XL/2 of random weights ...");
    await compare(
      [{ name: "new", words: [...graftc, "new", "dit-xl/2", "-o", model] }],
      0,
      () => {},
    );
  }
  const edits = join(folder, "edits.graft");
  writeFileSync(edits, "replace blocks[odd].attn with hyena_x\n");
  const inputs = filesOf(model);
  const result = join(out, basename(model));
  const beside = join(dirname(model), "graftc-bench-shared.onnx");
  const fill = (word) =>
    word.replaceAll("{model}", model).replaceAll("{edits}", edits).replaceAll("{out}", result);
  const commands = [
    { name: "cp", words: ["cp", ...inputs, out] },
    { name: "graftc", words: [...graftc, model, edits, "-o", result] },
    {
      name: "graftc --external share",
      words: [...graftc, model, edits, "--external", "share", "-o", beside],
    },
    ...flags.command.map((text) => {
      const [, name, words] = /^([^=]+)=(.*)$/s.exec(text);
      return { name, words: words.split(" ").map(fill) };
    }),
  ];
  const results = await compare(commands, runs, () => {
    cleared();
    for (const file of filesOf(beside)) rmSync(file);
  });
  for (const file of filesOf(beside)) rmSync(file);
  const size = inputs.reduce((sum, file) => sum + statSync(file).size, 0);
  console.log(`\n${basename(model)}, ${megabytes(size)} in ${base}, ${runs} runs in turn`);
  const copies = results.get("cp");
  print([
    ["", "fastest", "median", "times cp", "anonymous memory"],
    ...[...results].map(([name, list]) => [
      name,
      `${Math.min(...list.map((r) => r.seconds)).toFixed(2)} s`,
      `${median(list.map((r) => r.seconds)).toFixed(2)} s`,
      median(list.map((r, i) => r.seconds / copies[i].seconds)).toFixed(2),
      megabytes(median(list.map((r) => r.anonymous))),
    ]),
  ]);
}

/** Start to exit on a model of a few hundred nodes. */
async function small() {
  const model = "examples/digits/model.onnx";
  const edits = "examples/hyena-interleaved.graft";
  const result = join(out, "small.onnx");
  const results = await compare(
    [
      { name: "node alone", words: [process.execPath, "-e", "0"] },
      { name: "graftc --version", words: [...graftc, "--version"] },
      { name: "graftc inspect", words: [...graftc, "inspect", model] },
      { name: "graftc", words: [...graftc, model, edits, "-o", result] },
    ],
    Math.max(runs, 10),
    cleared,
  );
  console.log(`\n${model}, start to exit`);
  print([
    ["", "fastest", "median", "anonymous memory"],
    ...[...results].map(([name, list]) => [
      name,
      `${(1000 * Math.min(...list.map((r) => r.seconds))).toFixed(0)} ms`,
      `${(1000 * median(list.map((r) => r.seconds))).toFixed(0)} ms`,
      megabytes(median(list.map((r) => r.anonymous))),
    ]),
  ]);
}

/** The same edit on deeper and deeper models of small width. */
async function depth() {
  const edits = join(folder, "one.graft");
  writeFileSync(edits, "replace blocks[1].attn with hyena_x\n");
  const rows = [["blocks", "median", "a block"]];
  for (const blocks of [28, 112, 448]) {
    const model = join(folder, `deep-${blocks}.onnx`);
    const size = ["--depth", `${blocks}`, "--width", "64", "--heads", "4"];
    await compare(
      [{ name: "new", words: [...graftc, "new", "dit-s/2", ...size, "-o", model] }],
      0,
      cleared,
    );
    const words = [...graftc, model, edits, "-o", join(out, "deep.onnx")];
    const [list] = (await compare([{ name: "graftc", words }], 3, cleared)).values();
    const seconds = median(list.map((r) => r.seconds));
    rows.push([
      `${blocks}`,
      `${seconds.toFixed(2)} s`,
      `${((1000 * seconds) / blocks).toFixed(1)} ms`,
    ]);
  }
  console.log("\ndit-s/2 of width 64 by depth");
  print(rows);
}

async function long() {
  const rows = await longSequences({ folder, graftc, runs });
  console.log(`\nCPU seconds of a pass, ${size.tokens} tokens of width ${size.width}`);
  print(rows);
}

async function training() {
  const rows = await trainingSteps({ folder, graftc, torch: flags.torch, runs: Math.min(runs, 2) });
  console.log("\ntraining, CPU seconds of a step on one thread");
  print(rows);
}

const parts = { small, depth, large, long, training, digits: () => digits([], folder) };
try {
  for (const part of positionals.length > 0
    ? positionals
    : ["small", "depth", "large", "long", "training"]) {
    if (!parts[part]) throw new Error(`there is no part ${part}: ${Object.keys(parts).join(", ")}`);
    await parts[part]();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
