/**
 * Where a tensor's external data is. Everything is checked before a byte is read: the file is a
 * regular one inside the model's folder, behind no symbolic link, and holds what the tensor needs.
 */
import { accessSync, constants, readlinkSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, normalize, relative, resolve, sep, win32 } from "node:path";
import { fail, GraftError } from "../diag/diagnostic.ts";
import type { Bytes, FileSource } from "../ir/bytes.ts";
import { asReadFailure, DiskFile } from "./disk-file.ts";

export type FileSpan = Extract<Bytes, { kind: "file" }>;

/** A data file of a model, and where the model says that it is: `weights/model.data`. */
export interface DataFile {
  readonly file: DiskFile;
  /** Relative to the model's folder, normalised. */
  readonly location: string;
}

/** What a tensor's external_data entries say. */
export interface ExternalEntries {
  readonly location: string | undefined;
  readonly offset: string | undefined;
  readonly length: string | undefined;
}

export class ExternalData {
  readonly folder: string;
  /** In order of first use. */
  readonly files: DataFile[] = [];
  readonly #requireData: boolean;
  readonly #byLocation = new Map<string, DataFile>();

  constructor(modelPath: string, requireData: boolean) {
    this.folder = dirname(resolve(modelPath));
    this.#requireData = requireData;
  }

  /**
   * @param needed bytes, by the tensor's shape and type.
   * @throws GraftError naming tensor and file. Where data is not required, reading the bytes throws
   * it instead.
   */
  locate(tensor: string, entries: ExternalEntries, needed: number): FileSpan {
    try {
      return this.#locate(tensor, entries, needed);
    } catch (cause) {
      if (this.#requireData || !(cause instanceof GraftError)) throw cause;
      const file = new AbsentFile(resolve(this.folder, entries.location ?? ""), cause);
      return { kind: "file", file, offset: 0, length: needed };
    }
  }

  #locate(tensor: string, entries: ExternalEntries, needed: number): FileSpan {
    const { location } = entries;
    if (!location || location.includes("\0")) throw fail("external-location", { tensor });
    const offset = numberIn(tensor, "offset", entries.offset) ?? 0;
    const length = numberIn(tensor, "length", entries.length) ?? needed;
    const { file } = this.#fileAt(tensor, location);
    if (length !== needed) {
      throw fail("external-length", { tensor, file: location, length, needed });
    }
    if (offset + length > file.size) {
      const size = file.size;
      throw fail("external-short", { tensor, file: location, size, needed: offset + length });
    }
    return { kind: "file", file, offset, length };
  }

  #fileAt(tensor: string, location: string): DataFile {
    const known = this.#byLocation.get(location);
    if (known) return known;
    const path = realPath(tensor, location, this.folder);
    const stats = statSync(path);
    if (!stats.isFile()) throw fail("external-no-file", { tensor, file: location });
    try {
      accessSync(path, constants.R_OK);
    } catch (cause) {
      throw asReadFailure(path, cause);
    }
    const twin = this.files.find(({ file }) => file.path === path);
    const found = twin ?? {
      file: new DiskFile(path, stats),
      location: normalizedLocation(location),
    };
    if (!twin) this.files.push(found);
    this.#byLocation.set(location, found);
    return found;
  }
}

/** `weights/a.data` for `./weights//a.data`. */
export function normalizedLocation(location: string): string {
  return normalize(location);
}

/** The file that `location` means: inside `folder`, and behind no link, which ONNX refuses. */
function realPath(tensor: string, location: string, folder: string): string {
  if (isAbsolute(location) || win32.isAbsolute(location) || /^[a-z]:/i.test(location)) {
    throw fail("external-absolute", { tensor, file: location });
  }
  const path = resolve(folder, location);
  if (!isInside(path, folder)) throw fail("external-outside", { tensor, file: location });
  let real: string;
  try {
    real = realpathSync(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== "ENOENT" && code !== "ENOTDIR") throw asReadFailure(path, cause);
    throw fail("external-missing", { tensor, file: location }, linkNotes(path));
  }
  const home = realpathSync(folder);
  if (!isInside(real, home)) {
    throw fail("external-outside", { tensor, file: location }, linkNotes(path));
  }
  if (real !== join(home, relative(folder, path))) {
    const { notes = ["a folder on its way is a symbolic link"] } = linkNotes(path);
    throw fail("external-no-file", { tensor, file: location }, { notes });
  }
  return real;
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function linkNotes(path: string): { notes?: string[] } {
  try {
    return {
      notes: [`${path} is a symbolic link to ${readlinkSync(path)}: put the file itself there`],
    };
  } catch {
    return {}; // No link.
  }
}

function numberIn(tensor: string, key: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw fail("external-number", { tensor, key, text: text.slice(0, 40) });
}

/** Stands for data that is not there, in models read without requiring it. */
class AbsentFile implements FileSource {
  readonly path: string;
  readonly size = 0;
  readonly #why: GraftError;

  constructor(path: string, why: GraftError) {
    this.path = path;
    this.#why = why;
  }

  read(): Uint8Array {
    throw this.#why;
  }
}
