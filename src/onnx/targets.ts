/** Where the files of an output lie, and which files of the input it may not touch. */
import {
  accessSync,
  constants,
  existsSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fail } from "../diag/diagnostic.ts";
import type { Model } from "../ir/graph.ts";
import { checkPath } from "./disk-file.ts";
import type { DataFile } from "./external-data.ts";
import { originOf } from "./origin.ts";
import { locationsOf } from "./read-model.ts";
import { asWriteFailure } from "./temporary.ts";

/**
 * How weights are stored. `auto`: as in the input. `inline`: in the model file, as far as protobuf
 * goes (2 GB), else as `file`. `file`: those of 1 KB and more in a data file. `share`: untouched
 * weights stay in the input's own data files, which OUT refers to; it must be in the same folder.
 */
export type External = "auto" | "inline" | "file" | "share";

/** What becomes of one data file of the input. */
export interface Target {
  readonly source: DataFile;
  /** In the output's folder. */
  readonly location: string;
  readonly path: string;
  /** False where the output refers to the input's own file. */
  readonly written: boolean;
}

export interface Targets {
  readonly folder: string;
  /** Data files of the input that stay in use whatever becomes of OUT. */
  readonly kept: ReadonlySet<string>;
  /** Empty where all weights go into the model file. */
  readonly carried: readonly Target[];
  /** Where new weights go that find no place in a carried file. */
  readonly fresh: { readonly location: string; readonly path: string };
}

/** @throws GraftError where no file can be written at `out`. */
export function refuseOut(out: string): void {
  checkPath(out);
  if (out === "-") {
    const why = "models are not written to standard output";
    throw fail("out-unwritable", { path: out, why }, { hint: "`./-` is a file of that name" });
  }
  if (isStandardStream(out)) {
    throw fail("out-unwritable", { path: out, why: "it leads to a stream that is open already" });
  }
  const folder = dirname(resolve(out));
  if (!statOf(folder, out)?.isDirectory()) {
    throw fail("out-nowhere", { path: out, folder: dirname(out) });
  }
  const there = statOf(resolve(out), out);
  if (there?.isDirectory() || out.endsWith("/")) throw fail("out-folder", { path: out });
  if (there && !there.isFile()) {
    throw fail("out-unwritable", { path: out, why: "it is no regular file" });
  }
  try {
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw asWriteFailure(out, cause);
  }
}

/** `/dev/stdout` and links to it: behind them may be a file, but it is not ours to replace. */
function isStandardStream(out: string): boolean {
  let at = resolve(out);
  for (let hop = 0; hop < mostLinks; hop++) {
    if (/^\/(proc\/|dev\/(fd\/|std))/.test(at)) return true;
    try {
      at = resolve(dirname(at), readlinkSync(at));
    } catch {
      return false;
    }
  }
  return false;
}

/** As many links in a row as Linux follows. */
const mostLinks = 40;

/** What is at `path` on the way to `out`, if anything. */
function statOf(path: string, out: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw asWriteFailure(out, cause);
  }
}

/**
 * A sole data file is called `<OUT>.data`, or as in the input where OUT has MODEL's base name;
 * several keep their relative names, or get OUT's before them where another model's lie. No file of
 * the input is ever written to, unless OUT is MODEL itself: where a data file would replace the
 * input's own, the output refers to that one and new weights go to a file of their own.
 * @throws GraftError where OUT would replace a data file of the input, or `share` is impossible.
 */
export function planTargets(model: Model, out: string, external: External): Targets {
  const folder = realpathSync(dirname(resolve(out)));
  const outPath = join(folder, basename(out));
  const { dataFiles } = originOf.model(model);
  const input = model.origin ? realPathOf(resolve(model.path)) : null;
  const ours = new Set(dataFiles.map(({ file }) => file.path));
  if (ours.has(outPath)) throw fail("out-overwrites-input", { out });
  const inPlace = outPath === input;
  if (external === "share" && input && dataFiles.length > 0) {
    const home = realpathSync(dirname(resolve(model.path)));
    if (home !== folder) throw shareElsewhere(out, home);
  }
  const sole = dataFiles.length === 1 && basename(out) !== basename(model.path);
  const meets = ({ location }: DataFile) => {
    const path = join(folder, location);
    return !ours.has(realPathOf(path)) && existsSync(path);
  };
  const met = sole || external === "share" ? [] : dataFiles.filter(meets);
  const before = met.length > 0 ? locationsOf(outPath) : new Set();
  const carried = dataFiles.map((source): Target => {
    if (external === "share") return shared(source);
    const own = sole ? dataFileOf(basename(out)) : source.location;
    const foreign = met.includes(source) && !before.has(own);
    const location = foreign ? join(dirname(own), `${basename(out)}.${basename(own)}`) : own;
    const path = realPathOf(join(folder, location));
    if (path === input || path === outPath) throw fail("out-overwrites-input", { out });
    return { source, location, path, written: inPlace || !ours.has(path) };
  });
  const taken = new Set([...ours, ...carried.map(({ path }) => path), ...(input ? [input] : [])]);
  const kept = inPlace ? new Set<string>() : ours;
  return { folder, kept, carried, fresh: freshName(folder, basename(out), taken) };
}

function shared(source: DataFile): Target {
  return { source, location: source.location, path: source.file.path, written: false };
}

/** Where new weights go, and those of a sole data file. */
export function dataFileOf(out: string): string {
  return `${out}.data`;
}

/** `<OUT>.data`, or the first of `<OUT>.1.data`, ... that is no file of the input. */
function freshName(folder: string, base: string, taken: ReadonlySet<string>) {
  for (let i = 0; ; i++) {
    const location = dataFileOf(i === 0 ? base : `${base}.${i}`);
    const path = join(folder, location);
    if (!taken.has(path)) return { location, path };
  }
}

function shareElsewhere(out: string, home: string) {
  const hint = "use `--external file`, or write the output there";
  return fail("share-elsewhere", { out, folder: relative(process.cwd(), home) || "." }, { hint });
}

/** The path itself where nothing is there yet. */
function realPathOf(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const folder = dirname(path);
  return folder === path ? path : join(realPathOf(folder), basename(path));
}
