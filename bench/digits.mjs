/**
 * Whether grafts learn: `npm run bench -- digits`, or `node bench/digits.mjs [ROW ...] [--folder FOLDER]`,
 * distils and finetunes the digit model by examples/train, some twenty minutes a row on one core, and
 * scores what it draws. `--score MODEL` scores a model alone.
 */
import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { score } from "./digit-samples.mjs";
import { measure } from "./process.mjs";

/** What PyTorch reaches by the same recipe, one seed. */
const rows = {
  "hyena-x": { distance: 3.55, accuracy: 0.935 },
  swa: { distance: 3.04, accuracy: 0.92 },
  "hyena-se": { distance: 4.08, accuracy: 0.933 },
  mamba2: { distance: 4.81, accuracy: 0.931 },
  "mlp-ratio-3": { distance: 2.01, accuracy: 0.924 },
};

const model = "examples/digits/model.onnx";

const cells = ({ distance, accuracy }) => [distance.toFixed(2), accuracy.toFixed(3)];

async function trained(row, folder) {
  const out = join(folder, `${row}.onnx`);
  const run = join(folder, `${row}.run`);
  const edits = [`examples/train/${row}.graft`, "examples/train/recipe.graft"];
  const words = ["train", model, ...edits, "--data", "examples/digits/data.npz", "-o", out];
  if (!existsSync(out)) {
    const resume = existsSync(run) ? ["--resume"] : [];
    await measure([process.execPath, "dist/cli.js", ...words, "--run", run, ...resume]);
  }
  return out;
}

const print = (...row) => console.log(row.map((cell) => String(cell).padEnd(14)).join(""));

/** @param folder where models and runs are kept; runs that are there are gone on with. */
export async function digits(names, folder, samples = 1500) {
  print("row", "distance", "accuracy", "PyTorch's");
  for (const row of names.length > 0 ? names : Object.keys(rows)) {
    if (!(row in rows)) throw new Error(`there is no row ${row}: ${Object.keys(rows).join(", ")}`);
    const got = await score(await trained(row, folder), { samples });
    print(row, ...cells(got), ...cells(rows[row]));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.chdir(fileURLToPath(new URL("..", import.meta.url)));
  const { values: flags, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      folder: { type: "string", default: join(tmpdir(), "graftc-digits") },
      samples: { type: "string", default: "1500" },
      score: { type: "string" },
    },
  });
  const samples = Number(flags.samples);
  mkdirSync(flags.folder, { recursive: true });
  if (flags.score) print(flags.score, ...cells(await score(flags.score, { samples })));
  else await digits(positionals, flags.folder, samples);
}
