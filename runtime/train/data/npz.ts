/**
 * .npz files: zip archives of .npy members. Stored members are read where they lie; compressed ones
 * are inflated once, into a scratch file, when somebody wants their samples.
 */
import { inflateRawSync, constants as zlib } from "node:zlib";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { fail, GraftError } from "../../../src/diag/diagnostic.ts";
import { asReadFailure, DiskFile } from "../../../src/onnx/disk-file.ts";
import { npyOffset, storedNpy } from "./npy.ts";
import { inflate, type ScratchFile } from "./scratch.ts";
import type { Extent, Stored } from "./stored.ts";

/** The methods of compression that NumPy writes. */
const method = { stored: 0, deflated: 8 };
/** Compressed bytes that hold the header of any array of numbers. */
const headerRoom = 4096;
const suffix = ".npy";

/** The bytes of a member as they are in the archive. */
interface Member {
  readonly path: string;
  readonly name: string;
  readonly file: DiskFile;
  readonly offset: number;
  readonly length: number;
  readonly entry: Entry;
}

/** @throws GraftError where the archive, or a member of it, is damaged. */
export async function readNpz(path: string): Promise<Map<string, Stored>> {
  const file = DiskFile.at(path);
  const found = new Map<string, Stored>();
  let archive: ZipFile | undefined;
  try {
    archive = await openPromise(path, { lazyEntries: true, autoClose: false });
    for await (const entry of archive.eachEntry()) {
      if (!entry.fileName.endsWith(suffix)) continue;
      const name = entry.fileName.slice(0, -suffix.length);
      const { fileDataStart } = await archive.readLocalFileHeaderPromise(entry, { minimal: true });
      const length = entry.compressedSize;
      if (fileDataStart + length > file.size) throw new Error(`"${name}" lies outside of it`);
      found.set(name, storedMember({ path, name, file, offset: fileDataStart, length, entry }));
    }
  } catch (cause) {
    throw asDamage(path, cause);
  } finally {
    archive?.close();
  }
  return found;
}

/** What yauzl and zlib say of damaged bytes; everything else as it is. */
function asDamage(path: string, cause: unknown): unknown {
  const isOurs = cause instanceof TypeError || cause instanceof RangeError;
  if (cause instanceof GraftError || !(cause instanceof Error) || isOurs) return cause;
  if ("syscall" in cause) return asReadFailure(path, cause);
  const why = cause.message.charAt(0).toLowerCase() + cause.message.slice(1);
  return fail("data-malformed", { path, format: "npz", why });
}

function storedMember(member: Member): Stored {
  const { path, name, file, offset, entry } = member;
  const deflated = entry.compressionMethod === method.deflated;
  if (entry.isEncrypted()) return { kind: "unusable", path, why: "is encrypted" };
  if (!deflated && entry.compressionMethod !== method.stored) {
    return { kind: "unusable", path, why: "is compressed in another way than NumPy's" };
  }
  const beginning = beginningOf(member, deflated);
  const begin = npyOffset(beginning);
  if (begin === null || begin > beginning.length) throw new Error(`"${name}" is no array`);
  let scratch: Promise<Extent> | undefined;
  const open = async (): Promise<Extent> => {
    if (!deflated) return { file, offset: offset + begin };
    scratch ??= inflated(member).then((inflatedFile) => ({ file: inflatedFile, offset: begin }));
    return scratch;
  };
  const wrong = (why: string) =>
    fail("data-malformed", { path, format: "npz", why: `in "${name}", ${why}` });
  return storedNpy(path, beginning.subarray(0, begin), entry.uncompressedSize, wrong, open);
}

/** The first bytes of the array itself: its whole header, and what comes along. */
function beginningOf({ file, offset, length }: Member, deflated: boolean): Uint8Array {
  const bytes = file.read(offset, Math.min(headerRoom, length));
  if (deflated) return inflateRawSync(bytes, { finishFlush: zlib.Z_SYNC_FLUSH });
  const begin = npyOffset(bytes) ?? 0;
  return begin > bytes.length && begin <= length ? file.read(offset, begin) : bytes;
}

async function inflated({ path, name, file, offset, length, entry }: Member): Promise<ScratchFile> {
  try {
    const scratch = await inflate(file, offset, length);
    if (scratch.size === entry.uncompressedSize && scratch.crc32 === entry.crc32) return scratch;
    scratch.close();
    throw new Error(`"${name}" is damaged`);
  } catch (cause) {
    throw asDamage(path, cause);
  }
}
