/** Flags that are more than a string. */
import { InvalidArgumentError } from "commander";
import { fail } from "../diag/diagnostic.ts";

/** Flags of whatever edits a model. */
export interface EditFlags {
  readonly out?: string;
  /** Values as written, by the name of the param. */
  readonly set?: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly weights?: readonly string[];
  readonly weightsPartial?: boolean;
  readonly analysis?: string;
}

export interface CompileFlags extends EditFlags {
  readonly dryRun?: boolean;
  readonly explain?: boolean;
  readonly external: "auto" | "inline" | "file" | "share";
  readonly verify?: boolean;
  readonly device: string;
}

export interface TrainFlags extends CompileFlags {
  readonly data?: string;
  readonly run?: string;
  readonly resume?: boolean;
  readonly steps?: number;
  readonly batch?: number;
}

export interface NewFlags {
  readonly out?: string;
  readonly depth?: number;
  readonly width?: number;
  readonly heads?: number;
  readonly tokens?: number;
  readonly seed: number;
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError("It is a whole number from 0 to 2^53 - 1.");
  }
  return value;
}

export function atLeastOne(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 2 ** 31 - 1) {
    throw new InvalidArgumentError("It is a whole number, 1 or more.");
  }
  return value;
}

export function collected(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** `name=value`; the value is read when the file that declares the param is. */
export function settingOf(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [, name, value] = /^([A-Za-z_]\w*)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError("It has the form name=value.");
  }
  if (Object.hasOwn(before, name)) throw fail("set-twice", { name });
  return { ...before, [name]: value };
}

export function deviceOf(text: string): string {
  if (!/^(cpu|cuda(:\d+)?)$/.test(text)) {
    throw new InvalidArgumentError("It is cpu, cuda or cuda:N.");
  }
  return text;
}
