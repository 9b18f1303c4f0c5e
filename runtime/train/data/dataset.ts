/**
 * Data to train on: named tensors, samples first, in a .safetensors, .npz or .npy file or a folder
 * of them. No file is read whole; samples are read where they lie, when they are asked for.
 */
import { readdirSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { fail } from "../../../src/diag/diagnostic.ts";
import { type DType, showType } from "../../../src/ir/types.ts";
import { asReadFailure } from "../../../src/onnx/disk-file.ts";
import { readNpy } from "./npy.ts";
import { readNpz } from "./npz.ts";
import { openRows, type Rows } from "./rows.ts";
import { readSafetensorsData } from "./safetensors.ts";
import type { Readable, Stored, Unusable } from "./stored.ts";

export interface Dataset {
  /** As it was given. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, DataTensor | Unusable>;
}

export interface DataTensor {
  readonly kind: "readable";
  readonly dtype: DType;
  readonly samples: number;
  /** Of one sample. */
  readonly shape: readonly number[];
  /** Inflates what is compressed, when it is called first. */
  open(): Promise<Rows>;
}

type Reader = (path: string) => Map<string, Stored> | Promise<Map<string, Stored>>;

const readers: Readonly<Record<string, Reader>> = {
  ".safetensors": readSafetensorsData,
  ".npz": readNpz,
  ".npy": (path) => new Map([[nameOf(path), readNpy(path)]]),
};

/** The tensor in `x.npy`, and in its shards `x.0.npy`, `x.1.npy`, ... */
function nameOf(path: string): string {
  return basename(path, ".npy").replace(/\.\d+$/, "");
}

/**
 * Opens a file, or a folder. The .safetensors and .npz files of a folder continue each other in the
 * order of their names (`part-2` before `part-10`): each has the same tensors, of the same types and
 * shapes. A .npy file `x.npy` is the tensor `x`, or a part of it where it is called `x.0.npy`. Other
 * files, hidden ones and folders within are passed over.
 * @throws GraftError for what is damaged or does not fit together.
 */
export async function openData(path: string): Promise<Dataset> {
  const shards = isFolder(path) ? filesOf(path) : [path];
  const found = new Map<string, Stored[]>();
  let first: { path: string; names: string } | undefined;
  for (const shard of shards) {
    const reader = readers[extname(shard)];
    if (!reader) throw fail("data-format", { path });
    const tensors = await reader(shard);
    if (extname(shard) !== ".npy") {
      const names = [...tensors.keys()].sort().join(", ");
      first ??= { path: shard, names };
      if (names !== first.names) {
        const why = `it has ${names || "nothing"}, and the other ${first.names || "nothing"}`;
        throw fail("data-shards", { path: shard, first: first.path, why });
      }
      refuseUneven(shard, tensors, shards.length > 1);
    }
    for (const [name, tensor] of tensors) found.set(name, [...(found.get(name) ?? []), tensor]);
  }
  return { path, tensors: new Map([...found].map(([name, parts]) => [name, joined(name, parts)])) };
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    throw asReadFailure(path, cause);
  }
}

function filesOf(folder: string): string[] {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith("."))
    .map(({ name }) => name)
    .filter((name) => extname(name) in readers)
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }) || (a < b ? -1 : 1));
  if (files.length === 0) throw fail("data-folder", { path: folder });
  return files.map((name) => join(folder, name));
}

/** In one of several shards, samples that miss a part would take that of the next shard's. */
function refuseUneven(path: string, tensors: ReadonlyMap<string, Stored>, several: boolean): void {
  if (!several) return;
  const counts = [...tensors].flatMap(([name, t]) =>
    t.kind === "readable" ? [[name, t.samples] as const] : [],
  );
  const [[other, otherCount] = ["", 0]] = counts;
  const uneven = counts.find(([, count]) => count !== otherCount);
  if (!uneven) return;
  const [name, count] = uneven;
  throw fail("data-counts", { path, name, count, other, otherCount });
}

function joined(name: string, parts: readonly Stored[]): DataTensor | Unusable {
  const unusable = parts.find((part) => part.kind === "unusable");
  if (unusable) return unusable;
  const sound = parts as readonly Readable[];
  const [first] = sound;
  const { dtype, shape } = first!;
  const type = showType({ dtype, shape });
  for (const part of sound) {
    const other = showType(part);
    if (other === type) continue;
    const why = `a sample of \`${name}\` is ${other}, and ${type} in the other`;
    throw fail("data-shards", { path: part.path, first: first!.path, why });
  }
  const samples = sound.reduce((sum, part) => sum + part.samples, 0);
  let rows: Promise<Rows> | undefined;
  const open = () => {
    rows ??= openRows(sound);
    return rows;
  };
  return { kind: "readable", dtype, samples, shape, open };
}
