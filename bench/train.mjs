/**
 * Steps of training: CPU seconds on one thread, the least of 8, and the peak of the whole process.
 * Every configuration runs in a process of its own, in turn with the same one of PyTorch where a
 * command for that is given: it is called with `--only NAME --modes compile --threads 1 --runs 1`.
 */
import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";

const run = promisify(execFile);
const adamw = "optimizer: adamw(weight_decay: 0)";
const alone = `replace blocks[0].attn with hyena_x\ndistill { ${adamw} }\n`;
const whole = `finetune { objective: output, train: all, ${adamw} }\n`;
const hybrid = `replace blocks[odd].attn with hyena_x\n${whole}`;
const block = (width, heads, tokens) =>
  ["--depth", 1, "--width", width, "--heads", heads, "--tokens", tokens].map(String);

const configurations = [
  { name: "stage1 D=1152 N=256 batch 8", size: block(1152, 16, 256), edits: alone, batch: 8 },
  { name: "stage1 D=256 N=64 batch 32", size: block(256, 4, 64), edits: alone, batch: 32 },
  { name: "stage2 DiT-S/2 batch 4", size: [], edits: whole, batch: 4 },
  { name: "stage2 DiT-S/2 hybrid batch 4", size: [], edits: hybrid, batch: 4 },
];

/** @returns rows of a table, its head first. */
export async function trainingSteps({ folder, graftc, torch, runs }) {
  const step = await bundled();
  const rows = [["a step of", "graftc", "torch.compile", "", "memory", "torch.compile"]];
  for (const { name, size, edits, batch } of configurations) {
    const model = join(folder, `${["dit", ...size].join("")}.onnx`);
    const program = join(folder, "train.graft");
    writeFileSync(program, edits);
    if (!existsSync(model)) {
      await run(graftc[0], [...graftc.slice(1), "new", "dit-s/2", ...size, "-o", model]);
    }
    const words = [step, model, program, String(batch), join(folder, "steps")];
    const [own, peer] = [[], []];
    for (let i = 0; i < runs; i++) {
      own.push(JSON.parse((await run(process.execPath, words)).stdout));
      if (torch) peer.push(await stepOf(torch, name));
    }
    rows.push(row(name, summary(own), torch ? summary(peer) : null));
  }
  return rows;
}

function row(name, own, peer) {
  const seconds = ({ cpu }) => `${cpu.toPrecision(3)} s`;
  const bytes = ({ peak }) => `${(peak / 1e6).toFixed(0)} MB`;
  if (!peer) return [name, seconds(own), "", "", bytes(own), ""];
  const ratio = `x ${(own.cpu / peer.cpu).toFixed(2)}`;
  return [name, seconds(own), seconds(peer), ratio, bytes(own), bytes(peer)];
}

function summary(samples) {
  return {
    cpu: Math.min(...samples.flatMap(({ cpu }) => cpu)),
    peak: Math.min(...samples.map(({ peak }) => peak)),
  };
}

/** The programs are TypeScript; what they need beside them is in dist. */
async function bundled() {
  const outfile = "dist/training-step.mjs";
  await build({
    entryPoints: ["bench/training-step.ts"],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    external: ["onnxruntime-node"],
    banner: {
      js: 'import{createRequire as $require}from"node:module";const require=$require(import.meta.url);',
    },
    define: { GRAFTC_VERSION: '"bench"' },
    logLevel: "warning",
  });
  return outfile;
}

/** `NAME compile FIRSTs WALLms MEDIANms CPUms MEDIANms PRODUCTS RSSMB ANONMB` */
async function stepOf(torch, name) {
  const [command, ...words] = torch.split(" ");
  const options = ["--only", name, "--modes", "compile", "--threads", "1", "--runs", "1"];
  const { stdout } = await run(command, [...words, ...options]);
  const line = stdout.split("\n").find((text) => text.startsWith(name));
  const found = /([\d.]+)ms\s+[\d.]+ms\s+[\d.]+\s+(\d+)MB/.exec(line ?? "");
  if (!found) throw new Error(`no step of ${name} in what ${command} says:\n${stdout}`);
  return { cpu: [Number(found[1]) / 1000], peak: Number(found[2]) * 1e6 };
}
