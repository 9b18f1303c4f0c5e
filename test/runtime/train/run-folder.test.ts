import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { build } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import { type Checkpoint, readCheckpoint } from "../../../runtime/train/checkpoint.ts";
import { type LogRow, readLog } from "../../../runtime/train/log.ts";
import { beginRun, type Run, type RunPlan, resumeRun } from "../../../runtime/train/run-folder.ts";
import { GraftError } from "../../../src/diag/diagnostic.ts";
import { inMemory, materialize } from "../../../src/ir/bytes.ts";
import { freshFolder } from "../../onnx/fixtures.ts";

const finetune = { steps: 100, lr: 1e-4, schedule: { kind: "cosine", to: 0 } };
const plan: RunPlan = {
  recipe: { finetune },
  model: "a".repeat(64),
  data: "x: float32 10x4",
  edits: "b".repeat(64),
  seed: 3,
};
const settings = { stepsPerCall: 4, threads: 2, memory: 1e9 };

function checkpointAt(stage: number, step: number): Checkpoint {
  const data = (fill: number) => inMemory(new Uint8Array(4096).fill(fill));
  const tensors = ["w", "w.m", "w.v"].map((name, i) => {
    return [name, { dtype: "float32", shape: [1024], data: data(step + i) }] as const;
  });
  return { stage, step, tensors: new Map(tensors) };
}

function rowAt(stage: number, step: number, seconds: number): LogRow {
  return {
    stage,
    step,
    loss: 1 / step,
    sites: { "blocks[1].attn": 0.5 },
    grad_norm: 1,
    lr: 1e-4,
    seconds,
  };
}

async function runUntil(run: Run, from: number, to: number, seconds: number): Promise<void> {
  for (let step = from; step <= to; step++) {
    run.log.append(rowAt(1, step, seconds));
    if (step % 5 === 0) await run.save(checkpointAt(1, step));
  }
}

function messagesOf(step: () => unknown): string[] {
  try {
    step();
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    return cause.diagnostics.map(({ code, message }) =>
      `${code}: ${message}`.replaceAll(/\/\S*\/(?=[^/\s]+)/g, ""),
    );
  }
  return [];
}

describe("a run that is resumed", () => {
  test("has the log of one that was not interrupted, but for the time", async () => {
    const [straight, broken] = [join(freshFolder(), "a/b"), join(freshFolder(), "run")];
    await runUntil(await beginRun(straight, plan, settings), 1, 13, 0.1);
    await runUntil(await beginRun(broken, plan, settings), 1, 8, 0.2);
    writeFileSync(join(broken, ".checkpoint.safetensors.0a1b2c3d.partial"), "half of one");
    writeFileSync(join(broken, "log.jsonl"), '{"stage":1,"st', { flag: "a" });
    const run = resumeRun(broken, plan);
    expect([run.settings, run.checkpoint?.stage, run.checkpoint?.step]).toEqual([settings, 1, 5]);
    await runUntil(run, 6, 13, 0.3);
    const timeless = (folder: string) =>
      readFileSync(join(folder, "log.jsonl"), "utf8").replaceAll(/"seconds":[^}]*/g, "");
    expect(timeless(broken)).toBe(timeless(straight));
    expect(readLog(join(broken, "log.jsonl")).length).toBe(13);
    for (const file of ["run.json", "checkpoint.safetensors"]) {
      expect(readFileSync(join(broken, file)).equals(readFileSync(join(straight, file)))).toBe(
        true,
      );
    }
    expect(readdirSync(broken).sort()).toEqual(["checkpoint.safetensors", "log.jsonl", "run.json"]);
  });

  test("goes on in the stage that it was in, or begins where nothing was kept", async () => {
    const folder = freshFolder();
    (await beginRun(folder, plan, settings)).log.append(rowAt(1, 1, 0.1));
    const run = resumeRun(folder, plan);
    expect(run.checkpoint).toBe(null);
    expect(readLog(join(folder, "log.jsonl"))).toEqual([]);
    await runUntil(run, 1, 4, 0.1);
    await run.save(checkpointAt(2, 0));
    run.log.append(rowAt(2, 1, 0.1));
    expect(resumeRun(folder, plan).checkpoint).toMatchObject({ stage: 2, step: 0 });
    expect(readLog(join(folder, "log.jsonl")).map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  });

  test("has the tensors that were saved", async () => {
    const folder = freshFolder();
    await (await beginRun(folder, plan, settings)).save(checkpointAt(1, 7));
    const { tensors } = resumeRun(folder, plan).checkpoint!;
    expect([...tensors.keys()]).toEqual(["w", "w.m", "w.v"]);
    for (const [name, { data }] of checkpointAt(1, 7).tensors) {
      expect(materialize(tensors.get(name)!.data)).toEqual(materialize(data));
    }
  });
});

describe("refused:", () => {
  test("to begin where a run is, and to resume where none is", async () => {
    const folder = freshFolder();
    expect(messagesOf(() => resumeRun(join(folder, "run"), plan))).toEqual([
      "run-missing: run holds no run to resume",
    ]);
    const run = await beginRun(join(folder, "run"), plan, settings);
    await run.save(checkpointAt(1, 5));
    await expect(beginRun(join(folder, "run"), plan, settings)).rejects.toThrow("run-exists");
  });

  test("not to begin where a run is finished, or never came to a checkpoint", async () => {
    const folder = join(freshFolder(), "run");
    for (const finished of [false, true]) {
      const run = await beginRun(folder, plan, settings);
      run.log.append(rowAt(1, 1, 0.1));
      if (!finished) continue;
      await run.save(checkpointAt(1, 5));
      await run.finish();
      const again = resumeRun(folder, plan);
      expect([again.finished, again.rows(1).length]).toEqual([true, 1]);
    }
    expect((await beginRun(folder, plan, settings)).rows(1)).toEqual([]);
  });

  test("another recipe, model, text or seed, each by name", async () => {
    const folder = join(freshFolder(), "run");
    await beginRun(folder, plan, settings);
    const recipe = { finetune: { steps: 100, lr: 1e-3, schedule: { kind: "constant" } } };
    const others: [Partial<RunPlan>, string][] = [
      [{ model: "c" }, "the model is another"],
      [{ edits: "c" }, "the edits are others"],
      [
        {
          recipe: { finetune: { ...finetune, length: { epochs: 2 }, labelDrop: 0.1 } },
        },
        "`finetune.epochs` is 2 and was not given; `finetune.label_drop` is 0.1 and was not given",
      ],
      [{ seed: 0, model: "c" }, "the model is another; the seed is 0 and was 3"],
      [
        { recipe, edits: "c" },
        '`finetune.lr` is 0.001 and was 0.0001; `finetune.schedule.kind` is "constant" and was "cosine"; `finetune.schedule.to` is not given and was 0',
      ],
    ];
    for (const [change, words] of others) {
      expect(messagesOf(() => resumeRun(folder, { ...plan, ...change }))).toEqual([
        `run-differs: run holds another run: ${words}`,
      ]);
    }
  });

  test("what is damaged, and it stays as it is", async () => {
    const folder = freshFolder();
    const run = await beginRun(folder, plan, settings);
    await runUntil(run, 1, 5, 0.1);
    const path = join(folder, "checkpoint.safetensors");
    const kept = join(freshFolder(), "kept");
    copyFileSync(path, kept);
    const flipped = readFileSync(path);
    flipped[flipped.length - 100]! ^= 1;
    writeFileSync(path, flipped);
    expect(messagesOf(() => resumeRun(folder, plan))).toEqual([
      "run-damaged: checkpoint.safetensors is damaged: its tensors are not those that were written",
    ]);
    copyFileSync(kept, path);
    truncateSync(path, 9000);
    expect(messagesOf(() => resumeRun(folder, plan))).toEqual([
      "run-damaged: checkpoint.safetensors is damaged: it is not whole",
    ]);
    copyFileSync("test/fixtures/train/formats/data.safetensors", path);
    expect(messagesOf(() => resumeRun(folder, plan))).toEqual([
      "run-damaged: checkpoint.safetensors is damaged: it is no checkpoint of a run",
    ]);
    expect(readLog(join(folder, "log.jsonl")).length).toBe(5);
    writeFileSync(join(folder, "run.json"), "{");
    expect(messagesOf(() => resumeRun(folder, plan))).toEqual([
      "run-damaged: run.json is damaged: it is no JSON object",
    ]);
  });
});

describe("in another process", () => {
  let script = "";
  beforeAll(async () => {
    const stdin = {
      contents: `
        import { writeCheckpoint } from "./runtime/train/checkpoint.ts";
        const [path, megabytes] = process.argv.slice(2);
        for (let step = 1; ; step++) {
          const data = { kind: "memory", data: new Uint8Array(megabytes * 2 ** 20).fill(step) };
          const tensors = new Map([["w", { dtype: "uint8", shape: [data.data.length], data }]]);
          await writeCheckpoint(path, { stage: 1, step, tensors });
          console.log(step);
        }`,
      resolveDir: ".",
    };
    const options = { bundle: true, platform: "node", format: "esm", write: false } as const;
    script = (await build({ stdin, ...options })).outputFiles[0]!.text;
  });

  function start(path: string, megabytes: number, limit = "unlimited") {
    const file = join(freshFolder(), "save.mjs");
    writeFileSync(file, script);
    const command = `ulimit -f ${limit}; exec "$0" "$@"`;
    return spawn("bash", ["-c", command, process.execPath, file, path, String(megabytes)]);
  }

  test("kill -9 at any moment leaves the last whole checkpoint", async () => {
    const path = join(freshFolder(), "checkpoint.safetensors");
    const steps: number[] = [];
    for (let round = 0; round < 4; round++) {
      const child = start(path, 8);
      await once(child.stdout, "data");
      await sleep(9 * round);
      child.kill("SIGKILL");
      await once(child, "exit");
      const { step, tensors } = readCheckpoint(path)!;
      expect(materialize(tensors.get("w")!.data).every((byte) => byte === step)).toBe(true);
      steps.push(step);
    }
    expect(Math.min(...steps)).toBeGreaterThan(0);
  });

  test("no room for another leaves the last, and nothing beside it", async () => {
    const folder = freshFolder();
    const path = join(folder, "checkpoint.safetensors");
    const whole = start(path, 1);
    await once(whole.stdout, "data");
    whole.kill();
    await once(whole, "exit");
    const before = readCheckpoint(path)!;
    const there = readdirSync(folder);
    const child = start(path, 8, "4096");
    let words = "";
    child.stderr.on("data", (text) => {
      words += text;
    });
    await once(child, "exit");
    expect(words).toMatch(/GraftError: error\[out-unwritable\]/);
    expect(readCheckpoint(path)!.step).toBe(before.step);
    expect(readdirSync(folder)).toEqual(there);
  });
});
