/** Runs of a few steps on a small model, and what they leave. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { fingerprintOf } from "../../runtime/index.ts";
import { drawsOf } from "../../runtime/train/noise.ts";
import { compile } from "../../src/compile.ts";
import { GraftError } from "../../src/diag/diagnostic.ts";
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import { readSafetensors, type StoredTensor, writeSafetensors } from "../../src/onnx/index.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";
import { train } from "../../src/train.ts";
import type { TrainOptions } from "../../src/training/options.ts";
import { fixture } from "../passes/workbench.ts";

export const tiny = fixture("dit-tiny-dynamo20");

/** `tiny` with its first blocks alone: as much to learn in, and less to wait for. */
export async function firstBlocks(folder: string, count: number): Promise<string> {
  const edits = join(folder, `first-${count}.graft`);
  const out = join(folder, `first-${count}.onnx`);
  writeFileSync(edits, `remove blocks[${count}..5]\n`);
  await compile({ model: tiny, edits: [edits], out });
  return out;
}

/** Random samples with their labels, for `tiny` and the models like it. */
export function dataOf(samples: number): [string, StoredTensor][] {
  const x = new Float32Array(samples * 4 * 8 * 8);
  drawsOf(1, "x").normals(0, 0, x);
  const y = Array.from({ length: samples }, (_, i) => i % 10);
  return [
    ["x", { dtype: "float32", shape: [samples, 4, 8, 8], data: bytesOf("float32", x) }],
    ["y", { dtype: "int64", shape: [samples], data: bytesOf("int64", y) }],
  ];
}

/** 24 of them. */
async function writeData(folder: string): Promise<string> {
  const path = join(folder, "data.safetensors");
  await writeSafetensors(path, dataOf(24));
  return path;
}

/** A folder with data and a small model to learn on; it goes when the tests of the file are over. */
export async function workplace(): Promise<{ folder: string; small: string }> {
  const folder = mkdtempSync(join(tmpdir(), "graftc-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  await writeData(folder);
  return { folder, small: await firstBlocks(folder, 2) };
}

const bytesOf = (dtype: "float32" | "int64", values: ArrayLike<number>) =>
  inMemory(encodeElements(dtype, values));

/** A name for OUT, and the files of the run that makes it. */
export interface Trial {
  readonly out: string;
  /** The file of the edits. */
  readonly edits: string;
  bytes(): Buffer;
  /** Rows of the log, without the time that steps took. */
  log(): unknown[];
  /** What a stage learned. */
  result(stage: number): Map<string, Float64Array>;
  run(options?: Partial<TrainOptions>): ReturnType<typeof train>;
}

export function trialIn(folder: string, name: string, edits: string, model = tiny): Trial {
  const out = join(folder, `${name}.onnx`);
  // Nodes say which file asked for them: the same edits are the same file.
  const path = join(folder, `${fingerprintOf([edits]).slice(0, 8)}.graft`);
  writeFileSync(path, edits);
  return {
    out,
    edits: path,
    bytes: () => readFileSync(out),
    log() {
      const lines = readFileSync(join(`${out}.run`, "log.jsonl"), "utf8")
        .trim()
        .split("\n");
      return lines.map((line) => ({ ...JSON.parse(line), seconds: null }));
    },
    result(stage) {
      const { tensors } = readSafetensors(join(`${out}.run`, `stage${stage}.safetensors`));
      return new Map(
        [...tensors].map(([key, { dtype, data }]) => [
          key,
          decodeElements(dtype, materialize(data)),
        ]),
      );
    },
    run: (options = {}) =>
      train({
        model,
        edits: [path],
        data: join(folder, "data.safetensors"),
        out,
        ...options,
      }),
  };
}

/** The codes of what an attempt is refused with, and everything that it says. */
export async function refusal(
  attempt: Promise<unknown>,
): Promise<{ codes: string[]; text: string }> {
  const cause = await attempt.then(
    () => null,
    (cause: unknown) => cause,
  );
  if (!(cause instanceof GraftError)) throw cause ?? new Error("it was not refused");
  return {
    codes: cause.diagnostics.map(({ code }) => code),
    text: cause.diagnostics
      .flatMap(({ message, hint, notes }) => [message, hint ?? "", ...notes])
      .join("\n"),
  };
}
