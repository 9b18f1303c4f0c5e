/**
 * The state of a run after a whole number of steps: a safetensors file, with a checksum over its
 * tensors. It is replaced as one, so that whatever stops a run leaves the last whole checkpoint.
 */
import { existsSync } from "node:fs";
import { crc32 } from "node:zlib";
import { type Details, fail, GraftError } from "../../src/diag/diagnostic.ts";
import { type Bytes, lengthOf } from "../../src/ir/bytes.ts";
import { readSafetensors, type StoredTensor, writeSafetensors } from "../../src/onnx/index.ts";

/** What is kept of each parameter beside itself: its optimizer's states, its average. */
export type Tensors = ReadonlyMap<string, StoredTensor>;

export interface Checkpoint {
  /** Which recipe block of the run is under way, counted from 1. */
  readonly stage: number;
  /** Steps of the stage that are done. */
  readonly step: number;
  /** By names of the trainer's choice. */
  readonly tensors: Tensors;
}

const format = "graftc.checkpoint.1";
const stretch = 1 << 22;

/**
 * Tensors in memory are written from where they are, so they must not change until it is done.
 * @throws GraftError where the disk is full: what was there before is intact.
 */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const { stage, step, tensors } = checkpoint;
  const checksum = checksumOf(tensors);
  const metadata = { format, stage: String(stage), step: String(step), checksum };
  await writeSafetensors(path, tensors, metadata, { durable: true });
}

/**
 * The tensors are spans of the file.
 * @returns null where there is none, because the run was stopped before the first.
 * @throws GraftError where it is damaged.
 */
export function readCheckpoint(path: string): Checkpoint | null {
  if (!existsSync(path)) return null;
  try {
    const { tensors, metadata } = readSafetensors(path);
    const [stage, step] = [metadata.get("stage"), metadata.get("step")].map(Number);
    if (metadata.get("format") !== format || !isCount(stage) || !isCount(step)) {
      throw damaged(path, "it is no checkpoint of a run");
    }
    if (metadata.get("checksum") !== checksumOf(tensors)) {
      throw damaged(path, "its tensors are not those that were written");
    }
    return { stage, step, tensors };
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    const [diagnostic] = cause.diagnostics;
    if (diagnostic?.code !== "safetensors-malformed") throw cause;
    throw damaged(path, "it is not whole", { notes: [diagnostic.message] });
  }
}

/** The way out of a run that cannot be gone on with. */
export const anew = "`--run` names another folder for a run from the beginning";

function isCount(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && value! >= 0;
}

function damaged(path: string, why: string, details: Details = {}): GraftError {
  return fail("run-damaged", { path, why }, { hint: anew, ...details });
}

/** CRC-32 over the tensors in the order of their names. */
function checksumOf(tensors: Tensors): string {
  let sum = 0;
  for (const name of [...tensors.keys()].sort()) {
    for (const bytes of stretches(tensors.get(name)!.data)) sum = crc32(bytes, sum);
  }
  return sum.toString(16).padStart(8, "0");
}

function* stretches(bytes: Bytes): Generator<Uint8Array> {
  const data = bytes.kind === "computed" ? bytes.compute() : null;
  for (let at = 0; at < lengthOf(bytes); at += stretch) {
    const length = Math.min(stretch, lengthOf(bytes) - at);
    if (bytes.kind === "file") yield bytes.file.read(bytes.offset + at, length);
    else yield (data ?? (bytes as { data: Uint8Array }).data).subarray(at, at + length);
  }
}
