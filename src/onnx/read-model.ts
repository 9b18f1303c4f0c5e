/** The file -> Model. */
import { readFileSync, type Stats, statSync } from "node:fs";
import { fail, GraftError } from "../diag/diagnostic.ts";
import type { Graph, Initializer, Model } from "../ir/graph.ts";
import { tensorsIn } from "./carried.ts";
import { nodeOnCycle } from "./cycles.ts";
import { decode } from "./decode.ts";
import { asReadFailure, checkPath, DiskFile } from "./disk-file.ts";
import { ExternalData } from "./external-data.ts";
import type { ModelOrigin, NamedTensor } from "./origin.ts";
import { readProperty } from "./properties.ts";
import { linkGraph, readFunction, readGraph } from "./read-graph.ts";
import { type NodeReader, opsetMap, plainDomain, readOpset } from "./read-node.ts";
import { readTensor } from "./read-tensor.ts";
import type { MessageName } from "./schema.ts";
import { otherFormat } from "./signatures.ts";
import { type Slice, Source } from "./source.ts";

export interface ReadOptions {
  /**
   * Whether external data must be there, inside the model's folder and long enough; true unless
   * said. Otherwise reading such a tensor's bytes reports what is wrong, and nothing else does.
   */
  readonly requireData?: boolean;
  /** Bytes; a smaller model file is held in memory while the model is in use. 16 MB unless said. */
  readonly holdUpTo?: number;
}

const held = 16 << 20;

/**
 * Reads an ONNX model: the graph, not the weights. Those stay where they are, as spans of files;
 * the files must not change while the model is in use.
 * @throws GraftError for a file that is missing, no ONNX model or damaged, for names that nothing
 * defines or two things do, cycles, weights that do not fit their shapes, and external data that is
 * missing, too short or outside of the model's folder.
 */
export async function readModel(path: string, options: ReadOptions = {}): Promise<Model> {
  checkPath(path);
  const { requireData = true, holdUpTo = held } = options;
  return readModelFrom(openSource(path, holdUpTo), new ExternalData(path, requireData));
}

/** Locations of the data files beside `path` that the model there refers to; none where no model is. */
export function locationsOf(path: string): ReadonlySet<string> {
  const data = new ExternalData(path, false);
  try {
    readModelFrom(openSource(path, held), data);
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    return new Set();
  }
  return new Set(data.files.map(({ location }) => location));
}

function openSource(path: string, holdUpTo: number): Source {
  let stats: Stats;
  try {
    stats = statSync(path);
    if (stats.isFile() && stats.size <= holdUpTo) return Source.hold(path, readFileSync(path));
  } catch (cause) {
    throw asReadFailure(path, cause);
  }
  if (stats.isFile()) return Source.overWindow(new DiskFile(path, stats));
  const why = stats.isDirectory() ? "it is a folder" : "it is no regular file";
  throw fail("file-unreadable", { path, why });
}

export function readModelFrom(source: Source, data: ExternalData): Model {
  const { path, slice } = source;
  const other = otherFormat(source);
  if (other) throw fail("model-other", { path, what: other.what }, { hint: other.wayOut });
  const record = decode("ModelProto", slice);
  if (!record.graph) throw fail("model-empty", { path });
  const external: Initializer[] = [];
  const carried: NamedTensor[] = [];
  const carry = (message: MessageName, within: Slice) => {
    for (const slice of tensorsIn(message, within)) {
      const tensor = readTensor(slice, "a sparse tensor", reader);
      if (tensor && external.at(-1) === tensor) carried.push(tensor);
    }
  };
  const body = (slice: Slice) => readGraph(slice, reader);
  const reader: NodeReader = { data, external, types: new Map(), carry, body };
  const graph = readGraph(record.graph, reader);
  const bodies = record.functions.map((body) => readFunction(body, reader));
  for (const info of record.training_info) carry("TrainingInfoProto", info);
  for (const body of [graph, ...bodies]) {
    linkGraph(body);
    refuseCycles(body);
  }
  const opsets = record.opset_import.map(readOpset);
  const metadata = new Map(record.metadata_props.map(readProperty));
  const head = {
    irVersion: record.ir_version ?? 0,
    producer: { name: record.producer_name ?? "", version: record.producer_version ?? "" },
  };
  const origin: ModelOrigin = {
    ...slice,
    head,
    opsets,
    metadata,
    trainingInfo: record.training_info,
    functions: bodies,
    dataFiles: data.files,
    external,
    carried,
  };
  return {
    ...head,
    opsets: opsetMap(opsets),
    graph,
    functions: byKey(bodies, record.functions),
    metadata: new Map(metadata),
    path,
    origin,
  };
}

/** Of functions given twice each is kept, the later ones under keys that nothing calls. */
function byKey<T>(bodies: readonly T[], slices: readonly Slice[]): Map<string, T> {
  const functions = new Map<string, T>();
  bodies.forEach((body, i) => {
    const key = functionKey(slices[i]!);
    functions.set(functions.has(key) ? `${key}#${i}` : key, body);
  });
  return functions;
}

/** As `Node.op` of its callers says it; overloads are told apart by a suffix. */
function functionKey(slice: Slice): string {
  const { domain = "", name = "", overload } = decode("FunctionProto", slice);
  const plain = plainDomain(domain);
  return `${plain === "" ? name : `${plain}::${name}`}${overload ? `:${overload}` : ""}`;
}

function refuseCycles(graph: Graph): void {
  const node = nodeOnCycle(graph);
  if (node) throw fail("graph-cycle", { graph: graph.name, node: node.name || node.opType });
  for (const { subgraphs } of graph.nodes) for (const body of subgraphs) refuseCycles(body);
}
