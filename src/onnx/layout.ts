/** Which bytes go where: into the model file, or to which offset of which data file. */
import { type Bytes, type FileSource, lengthOf } from "../ir/bytes.ts";
import type { Graph, Initializer, Model } from "../ir/graph.ts";
import { compact, type Extent, type Move } from "./compact.ts";
import { type Home, type Place, sameBytes } from "./encode-tensor.ts";
import { originOf } from "./origin.ts";
import type { External, Target, Targets } from "./targets.ts";

/** Smaller weights are written into the model file: ONNX's own threshold. */
const smallWeight = 1024;
/** Weights that a runtime would map into memory begin on a page, others on a cache line. */
const mappedWeight = 1 << 20;
const page = 4096;
const line = 64;

/** A stretch of a file that is being written. */
export interface Segment {
  readonly bytes: Bytes;
  readonly at: number;
}

/** A data file of the output that has to be written. */
export interface PlannedFile {
  readonly location: string;
  readonly path: string;
  /** The carried file that it begins like, for `identical` bytes. */
  readonly base: Target | null;
  readonly identical: number;
  /** What follows; gaps are zeros. */
  readonly segments: Segment[];
  size: number;
}

export interface Layout {
  home(tensor: Initializer): Home;
  readonly files: readonly PlannedFile[];
  /** Of all data files that the output refers to, those that are not written included. */
  readonly dataBytes: number;
}

export const allInline: Layout = { home: () => "inline", files: [], dataBytes: 0 };

/** Every tensor of the model that has bytes, with what it is; in the order of the encoding. */
function* tensorsOf(model: Model): Generator<{ tensor: Initializer; weight: boolean }> {
  function* within(graph: Graph): Generator<{ tensor: Initializer; weight: boolean }> {
    for (const { initializer } of graph.initializers) {
      if (initializer) yield { tensor: initializer, weight: true };
    }
    for (const node of graph.nodes) {
      for (const { value } of node.attributes.values()) {
        if (value.type === "tensor") yield { tensor: value.value, weight: false };
        else if (value.type === "tensors") {
          for (const tensor of value.value) yield { tensor, weight: false };
        } else if (value.type === "graph") yield* within(value.value);
        else if (value.type === "graphs") for (const body of value.value) yield* within(body);
      }
    }
  }
  yield* within(model.graph);
  for (const body of model.functions.values()) yield* within(body);
  for (const tensor of originOf.model(model).carried) yield { tensor, weight: false };
}

/**
 * The layout with data files. Weights of the input's data files stay there; what no tensor refers
 * to any more leaves them, unless they are the input's own. New weights of 1 KB and more are
 * appended, each stored once.
 */
export function planLayout(model: Model, targets: Targets, external: External): Layout {
  const tensors = [...tensorsOf(model)];
  const carried = new Map<FileSource, Carried>(
    targets.carried.map((target) => [target.source.file, carry(target, model, tensors)]),
  );
  const files = [...carried.values()].flatMap(({ planned }) => planned ?? []);
  const appender = new Appender(files, targets);
  const homes = new Map<Initializer, Place>();
  for (const { tensor, weight } of tensors) {
    const { data } = tensor;
    const home = data.kind === "file" ? carried.get(data.file) : undefined;
    if (data.kind === "file" && home) {
      const { location, moved } = home;
      homes.set(tensor, { location, offset: moved(data.offset), length: data.length });
    } else if (weight && leavesModelFile(tensor, external)) {
      homes.set(tensor, appender.place(data));
    }
  }
  const kept = [...carried.values()].map((home) => (home.planned ? 0 : home.size));
  return {
    home: (tensor) => homes.get(tensor) ?? "inline",
    files: appender.files.filter(isWorthWriting),
    dataBytes: sum([...kept, ...appender.files.map(({ size }) => size)]),
  };
}

function leavesModelFile(tensor: Initializer, external: External): boolean {
  const { data, dtype } = tensor;
  if (dtype === "string" || lengthOf(data) < smallWeight) return false;
  const origin = originOf.tensor(tensor);
  const wasInline = origin.external === null && sameBytes(data, origin.data);
  return external === "file" || !wasInline;
}

/** A file that OUT may leave as it is: its own, unchanged. */
function isWorthWriting(file: PlannedFile): boolean {
  const { base } = file;
  const untouched = base?.path === base?.source.file.path && file.segments.length === 0;
  return !(base && untouched && file.identical === base.source.file.size);
}

interface Carried {
  readonly location: string;
  /** Null where the input's own file is used. */
  readonly planned: PlannedFile | null;
  /** Of the file before new weights are appended; 0 where the output does not refer to it. */
  readonly size: number;
  /** The new offset of what was at `offset`. */
  moved(offset: number): number;
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}

function carry(target: Target, model: Model, tensors: readonly { tensor: Initializer }[]): Carried {
  const { file } = target.source;
  const { location, path } = target;
  const isHere = ({ data }: Initializer): Extent[] =>
    data.kind === "file" && data.file === file ? [data] : [];
  const wanted = tensors.flatMap(({ tensor }) => isHere(tensor));
  if (!target.written || wanted.length === 0) {
    const size = wanted.length === 0 ? 0 : file.size;
    return { location, planned: null, size, moved: (offset) => offset };
  }
  const before = originOf.model(model).external.flatMap(isHere);
  const { moves, moved, size } = compact(before, wanted, file.size);
  const identical = moves[0]?.from === 0 && moves[0].to === 0 ? moves[0].length : 0;
  const rest = identical > 0 ? moves.slice(1) : moves;
  const segment = ({ from, to, length }: Move): Segment => {
    return { bytes: { kind: "file", file, offset: from, length }, at: to };
  };
  const segments = rest.map(segment);
  const planned = { location, path, base: target, identical, segments, size };
  return { location, moved, planned, size };
}

/** Appends new weights: to the sole file that is carried, else to one of their own. */
class Appender {
  readonly files: PlannedFile[];
  readonly #own: PlannedFile;
  readonly #placed = new Map<unknown, Place>();
  readonly #sources = new Map<FileSource, number>();

  constructor(files: readonly PlannedFile[], { carried, fresh }: Targets) {
    this.files = [...files];
    const [sole, ...others] = carried;
    const base = sole?.written && others.length === 0 ? sole : null;
    const { location, path } = base ?? fresh;
    const begun = files.find((file) => file.path === path);
    this.#own = begun ?? { location, path, base, identical: 0, segments: [], size: 0 };
  }

  place(bytes: Bytes): Place {
    const key = this.#keyOf(bytes);
    const known = this.#placed.get(key);
    if (known) return known;
    const file = this.#own;
    if (!this.files.includes(file)) this.files.push(file);
    const length = lengthOf(bytes);
    const offset = align(file.size, length >= mappedWeight ? page : line);
    file.segments.push({ bytes, at: offset });
    file.size = offset + length;
    const place = { location: file.location, offset, length };
    this.#placed.set(key, place);
    return place;
  }

  /** Equal for weights that are the same stretch of the same file. */
  #keyOf(bytes: Bytes): unknown {
    if (bytes.kind !== "file") return bytes;
    if (!this.#sources.has(bytes.file)) this.#sources.set(bytes.file, this.#sources.size);
    return `${this.#sources.get(bytes.file)}:${bytes.offset}:${bytes.length}`;
  }
}

export function align(offset: number, boundary: number): number {
  return Math.ceil(offset / boundary) * boundary;
}
