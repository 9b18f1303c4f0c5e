/** Model -> files: complete under temporary names first, then put in place all at once. */
import { closeSync, existsSync, ftruncateSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { lengthOf } from "../ir/bytes.ts";
import type { Model } from "../ir/graph.ts";
import { type BaseCopy, startBase } from "./base-copy.ts";
import { encodeModel } from "./encode-model.ts";
import type { PortTypes } from "./encode-node.ts";
import type { Home } from "./encode-tensor.ts";
import { allInline, type Layout, type PlannedFile, type Segment } from "./layout.ts";
import { planWrite, sizeOf, type WritePlan } from "./plan-write.ts";
import { locationsOf } from "./read-model.ts";
import type { Rope } from "./rope.ts";
import { type Watch, watched, writeSegments } from "./segments.ts";
import {
  dataFileOf,
  type External,
  planTargets,
  refuseOut,
  type Target,
  type Targets,
} from "./targets.ts";
import { asWriteFailure, createFile, publish, Temporaries } from "./temporary.ts";

export interface WriteOptions {
  /** `auto` unless said. */
  readonly external?: External | undefined;
  /** Bytes written so far, of how many; called at intervals and at the end. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Interrupts the write: it throws the signal's reason and leaves nothing behind. */
  readonly signal?: AbortSignal | undefined;
}

export interface WriteResult {
  /** The model file, and behind it the data files that were written. */
  readonly files: readonly string[];
  readonly bytesWritten: number;
  /** Of the model file and all data that it refers to, written or not. */
  readonly size: number;
  /** The data file of the model that was at OUT, to which nothing refers any more. */
  readonly left: string | null;
}

/** A write under way. Until `publish` there is nothing but temporary files beside OUT. */
export interface Write {
  /**
   * Writes everything under temporary names, but for what the copy of a data file has yet to reach:
   * it goes on.
   * @throws GraftError where that is impossible.
   */
  stage(): Promise<void>;
  /**
   * Behind `stage`: a model file that a runtime can load now; before `settle`, weights of the input
   * may still be zeros.
   * @param inputs types for inputs in the place of their own, if the file is not the output itself:
   * runtimes are faster where sizes are numbers.
   */
  loadable(inputs?: PortTypes): Promise<string>;
  /** Behind `stage`: waits for the copies to end. */
  settle(): Promise<void>;
  /** Behind `settle`: puts the files in place, all or none. */
  publish(): WriteResult;
  /** Removes what is not published. */
  abandon(): void;
}

/** A copy of less than this is not worth beginning early. */
const longCopy = 32 << 20;

/**
 * Writes a model: its data files first, the model last. An OUT that was there before stays as it
 * was unless all of it succeeds; files of the input are never changed, unless OUT is MODEL.
 * @throws GraftError for places that cannot be written, full disks, and `share` elsewhere.
 */
export async function writeModel(
  model: Model,
  out: string,
  options: WriteOptions = {},
): Promise<WriteResult> {
  const write = beginWrite(model, out, options);
  try {
    await write.stage();
    await write.settle();
    return write.publish();
  } finally {
    write.abandon();
  }
}

/**
 * Begins a write while the model is still being edited: the copy of its data file starts at once,
 * and `stage` keeps of it what the edited model still needs. Every path ends in `abandon`, that of
 * success too.
 * @throws GraftError where OUT cannot be written.
 */
export function beginWrite(model: Model, out: string, options: WriteOptions = {}): Write {
  const { external = "auto", onProgress = () => {}, signal } = options;
  refuseOut(out);
  const targets = planTargets(model, out, external);
  const outPath = join(targets.folder, basename(out));
  const temporaries = new Temporaries();
  const bases = new Map<Target, BaseCopy>();
  let staged: Staged | null = null;

  const baseOf = (target: Target): BaseCopy => {
    const { path, source } = target;
    const base = bases.get(target) ?? startBase(source.file, temporaries.for(path), path);
    bases.set(target, base);
    return base;
  };
  const early = earlyCopy(targets, external);
  if (early) baseOf(early);

  /** Opens the temporary file; its beginning is in place, or will be. */
  async function opened({ path, base, identical }: PlannedFile): Promise<number> {
    if (!base || identical === 0) {
      if (base) dropBase(base);
      return createFile(temporaries.for(path), path);
    }
    const copy = baseOf(base);
    if (copy.stopAt(identical)) await copy.done;
    try {
      ftruncateSync(copy.descriptor, identical);
    } catch (cause) {
      throw asWriteFailure(path, cause);
    }
    return copy.descriptor;
  }

  function dropBase(target: Target): void {
    const base = bases.get(target);
    base?.stopAt(0);
    base?.close();
    bases.delete(target);
    temporaries.drop(target.path);
  }

  async function stage(): Promise<void> {
    const { layout, rope, known } = planWrite(model, targets, external, out);
    const kept = new Set(layout.files.map(({ base }) => base));
    for (const target of [...bases.keys()]) if (!kept.has(target)) dropBase(target);
    const total = rope.length + layout.files.reduce((sum, { size }) => sum + size, 0);
    let done = 0;
    const advance = (count: number) => {
      done += count;
      onProgress(Math.min(done, total), total);
    };
    const watch: Watch = { advance, signal };
    signal?.throwIfAborted();
    for (const file of layout.files) {
      const descriptor = await opened(file);
      try {
        await writeSegments(descriptor, file.path, file.segments, watch);
      } finally {
        if (!file.base || !bases.has(file.base)) closeSync(descriptor);
      }
    }
    await writeRope(rope, temporaries.for(outPath), out, watch);
    staged = { layout, rope, known, total, watch };
  }

  async function settle(): Promise<void> {
    const { total, watch } = staged!;
    for (const [target, base] of bases) {
      await watched(base, watch);
      base.close();
      bases.delete(target);
    }
    onProgress(total, total);
  }

  async function loadable(inputs?: PortTypes): Promise<string> {
    const { layout, known } = staged!;
    if (layout.files.length === 0) return temporaries.for(outPath);
    const now = new Map(
      layout.files.map(({ location, path }) => {
        return [location, relative(targets.folder, temporaries.for(path))];
      }),
    );
    const home = (tensor: Parameters<Layout["home"]>[0]): Home => {
      const place = layout.home(tensor);
      const location = place === "inline" ? undefined : now.get(place.location);
      return place === "inline" || !location ? place : { ...place, location };
    };
    const check = temporaries.for(`${outPath}.check`);
    const rope = encodeModel(model, home, { inputs, known });
    await writeRope(rope, check, out, { advance: () => {}, signal });
    return check;
  }

  return {
    stage,
    settle,
    loadable,
    publish() {
      const { layout, total } = staged!;
      const left = leftBehind(outPath, layout, targets) ? dataFileOf(out) : null;
      const paths = [...layout.files.map(({ path }) => path), outPath];
      publish(paths.map((final) => ({ temporary: temporaries.for(final), final })));
      const written = layout.files.map(({ location }) => join(dirname(out), location));
      return { files: [out, ...written], bytesWritten: total, size: sizeOf(staged!), left };
    },
    abandon() {
      for (const target of [...bases.keys()]) dropBase(target);
      temporaries.removeAll();
    },
  };
}

interface Staged extends WritePlan {
  readonly total: number;
  readonly watch: Watch;
}

/** Whether `<OUT>.data` is there for the model alone that is at OUT now. */
function leftBehind(outPath: string, layout: Layout, { carried, kept }: Targets): boolean {
  const path = dataFileOf(outPath);
  const stays = layout === allInline ? [] : carried;
  const used = kept.has(path) || [...layout.files, ...stays].some((file) => file.path === path);
  if (used || !existsSync(path) || !existsSync(outPath)) return false;
  return locationsOf(outPath).has(basename(path));
}

/** The one data file that the output will begin with, where copying it takes long. */
function earlyCopy({ carried }: Targets, external: External): Target | undefined {
  const [target, ...others] = carried;
  if (external === "inline" || !target?.written || others.length > 0) return undefined;
  const { file } = target.source;
  return file.size >= longCopy && file.path !== target.path ? target : undefined;
}

async function writeRope(rope: Rope, temporary: string, out: string, watch: Watch): Promise<void> {
  let at = 0;
  const segments = rope.parts.map((bytes): Segment => {
    const segment = { bytes, at };
    at += lengthOf(bytes);
    return segment;
  });
  const descriptor = createFile(temporary, out);
  try {
    await writeSegments(descriptor, out, segments, watch);
  } finally {
    closeSync(descriptor);
  }
}
