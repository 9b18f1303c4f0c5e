/**
 * `npm run demo [EXAMPLE.graft]`: compiles the digit DiT with an example, prints what changed, runs
 * both models, and says how far apart their outputs are and how fast each is.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

process.env.ORT_DISABLE_TELEMETRY = "1";
process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const { InferenceSession, Tensor } = await import("onnxruntime-node");

const model = "examples/digits/model.onnx";
const edits = process.argv[2] ?? "examples/hyena-interleaved.graft";
const folder = mkdtempSync(join(tmpdir(), "graftc-demo-"));
const out = join(folder, "grafted.onnx");

/** Runs a graftc command in sight. */
function graftc(words, accepted = [0]) {
  const shown = words.map((word) => relative("", word) || word);
  console.log(
    `\n$ graftc ${words.map((w, i) => (w === out ? "grafted.onnx" : shown[i])).join(" ")}`,
  );
  const { status } = spawnSync(process.execPath, ["dist/cli.js", ...words], { stdio: "inherit" });
  if (!accepted.includes(status)) process.exit(status ?? 1);
}

/** One fixed batch: noise, eight timesteps, eight digits. */
function inputs() {
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const x = Float32Array.from({ length: 8 * 256 }, normal);
  const t = BigInt64Array.from({ length: 8 }, (_, i) => BigInt(125 * i + 60));
  const y = BigInt64Array.from({ length: 8 }, (_, i) => BigInt(i));
  return {
    x: new Tensor("float32", x, [8, 1, 16, 16]),
    t: new Tensor("int64", t, [8]),
    y: new Tensor("int64", y, [8]),
  };
}

async function open(path) {
  const session = await InferenceSession.create(path, {
    logSeverityLevel: 3,
    intraOpNumThreads: 1,
  });
  const run = async () => (await session.run(feeds))[session.outputNames[0]].data;
  return { run, times: [], output: await run() };
}

/** Interleaved, so that a busy machine slows both alike. */
async function time(sessions, rounds) {
  for (let round = 0; round < rounds; round++) {
    for (const session of sessions) {
      const begun = performance.now();
      await session.run();
      session.times.push(performance.now() - begun);
    }
  }
}

const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1];

function distance(a, b) {
  let largest = 0;
  let squares = 0;
  let power = 0;
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(a[i] - b[i]));
    squares += (a[i] - b[i]) ** 2;
    power += a[i] ** 2;
  }
  return { largest, relative: Math.sqrt(squares / power) };
}

const feeds = inputs();
try {
  graftc(["inspect", model]);
  graftc([model, edits, "-o", out]);
  graftc(["diff", model, out], [0, 1]);

  const before = await open(model);
  const after = await open(out);
  await time([before, after], 30);
  const { largest, relative: share } = distance(before.output, after.output);
  const [slow, fast] = [median(before.times), median(after.times)];
  console.log("\nBoth models on one batch of 8 noised digits, one thread:");
  console.log(
    `  outputs are ${largest.toPrecision(3)} apart at most, ${(100 * share).toFixed(1)}% of their size`,
  );
  console.log(`  model.onnx    ${slow.toFixed(2)} ms`);
  console.log(`  grafted.onnx  ${fast.toFixed(2)} ms (${(slow / fast).toFixed(2)} times as fast)`);
  if (largest > 1e-3)
    console.log("  The new operators have not been trained yet: that is what recipes are for.");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
