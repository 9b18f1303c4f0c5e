/** `log.jsonl`: a line for each step that is logged. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { asReadFailure } from "../../src/onnx/disk-file.ts";
import { flush } from "../../src/onnx/replace-file.ts";
import { asWriteFailure } from "../../src/onnx/temporary.ts";

export interface LogRow {
  /** Which recipe block of the run, counted from 1. */
  readonly stage: number;
  /** Steps of the stage that are done. */
  readonly step: number;
  readonly loss: number;
  /** Of each site, where the stage trains several. */
  readonly sites?: Readonly<Record<string, number>> | undefined;
  readonly grad_norm: number | Readonly<Record<string, number>>;
  readonly lr: number;
  /** A step, on average since the last row. All else in a row is the same in every run. */
  readonly seconds: number;
}

export interface Log {
  /** @throws GraftError where the disk is full. */
  append(row: LogRow): void;
  /** Waits until the rows are on the disk. */
  flush(): void;
  close(): void;
}

/** A moment of a run: `step` steps of stage `stage` are done. */
export interface Moment {
  readonly stage: number;
  readonly step: number;
}

/** Opens a log to go on after `moment`: rows of later steps are cut off, null cuts off all. */
export function openLog(path: string, moment: Moment | null | "whole"): Log {
  const descriptor = openLogFile(path);
  const bytes = readFileSync(descriptor);
  let end = moment === "whole" ? bytes.length : keptBytes(bytes, moment);
  ftruncateSync(descriptor, end);
  return {
    append({ stage, step, loss, sites, grad_norm, lr, seconds }) {
      const row = { stage, step, loss, ...(sites && { sites }), grad_norm, lr, seconds };
      const bytes = Buffer.from(`${JSON.stringify(row)}\n`);
      try {
        for (let done = 0; done < bytes.length; ) {
          done += writeSync(descriptor, bytes, done, bytes.length - done, end + done);
        }
      } catch (cause) {
        throw asWriteFailure(path, cause);
      }
      end += bytes.length;
    },
    flush: () => flush(descriptor, path),
    close: () => closeSync(descriptor),
  };
}

function openLogFile(path: string): number {
  try {
    closeSync(openSync(path, "a"));
    return openSync(path, "r+");
  } catch (cause) {
    throw asWriteFailure(path, cause);
  }
}

/** The length of the whole rows up to `moment`. */
function keptBytes(bytes: Buffer, moment: Moment | null): number {
  let end = 0;
  for (let at = 0; moment; ) {
    const next = bytes.indexOf("\n", at);
    if (next < 0) break;
    const row = rowOf(bytes.toString("utf8", at, next));
    at = next + 1;
    if (!row || isAfter(row, moment)) break;
    end = at;
  }
  return end;
}

function isAfter(row: Moment, moment: Moment): boolean {
  return row.stage === moment.stage ? row.step > moment.step : row.stage > moment.stage;
}

function rowOf(line: string): LogRow | null {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** The whole rows of a log. */
export function readLog(path: string): LogRow[] {
  try {
    const lines = readFileSync(path, "utf8").split("\n");
    return lines.flatMap((line) => rowOf(line) ?? []);
  } catch (cause) {
    throw asReadFailure(path, cause);
  }
}
