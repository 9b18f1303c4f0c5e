/** `--verify`: two models side by side on the same random inputs. */
import { type Diagnostic, diagnostic, fail, GraftError } from "../../src/diag/diagnostic.ts";
import type { Model } from "../../src/ir/graph.ts";
import type { Device } from "../session/device.ts";
import { reasonOf } from "../session/ort.ts";
import { openSession, type Session, type SessionOptions } from "../session/session.ts";
import { type Tensor, type Tensors, valuesOf } from "../session/tensor.ts";
import { type Difference, differenceOf, roundingUnit } from "./difference.ts";
import { candidateFeeds, perturbed } from "./feeds.ts";

export interface CompareOptions {
  /** Of the inputs; 0 unless said. */
  readonly seed?: number;
  readonly device?: Device | undefined;
  /** The edits are such that the function stays the same: hold them to it. */
  readonly keepsFunction?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Comparison {
  /** Shapes of the inputs that both models ran on. */
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly outputs: readonly OutputComparison[];
}

export interface OutputComparison extends Difference {
  readonly name: string;
  /** What rounding explains; null where nothing was to be explained. */
  readonly bound: number | null;
}

/** Above it ONNX Runtime's full optimisation, whose time grows with nodes squared, takes seconds. */
const manyNodes = 5000;

const levels = ["all", "basic", "disabled"] as const;

/** How many times its own noise an output may move. */
const margin = 4;

/** Kernels approximate tanh, erf and exp in float32, each to some units in the last place. */
const approximation = 64 * 2 ** -23;

/** One value that is rounded in another order may end two numbers of its type from where it was. */
const neighbours = 2;

/**
 * Runs the model files `before` and `after` on seeded random inputs and reports how far each output
 * moved. `model` has the graph of either: it says which numbers integer inputs take (rows of the
 * table that they pick from), and its symbolic sizes are tried until `before` runs.
 *
 * For edits that keep the function the difference is held against the model's own noise: the
 * largest change of the same output when ONNX Runtime computes `before`, or `after`, without
 * optimisation, so in another order, and when each input of `before` is off by one unit in its last
 * place. Rounding explains 4 times that and 8e-6 of the largest value.
 *
 * @throws GraftError `verify-impossible` where no inputs run, `verify-failed` for each output that
 * moved more than rounding explains, `verify-not-finite` for each that is finite no more,
 * `model-refused`, `cuda-unavailable`.
 */
export async function compareModels(
  files: { readonly before: string; readonly after: string; readonly model: Model },
  options: CompareOptions = {},
): Promise<Comparison> {
  const { seed = 0, keepsFunction = false, signal } = options;
  const many = files.model.graph.nodes.length > manyNodes;
  const optimised: Ways = { levels: many ? levels.slice(1) : levels, device: options.device };
  const plain: Ways = { levels: ["disabled", "basic"], device: options.device };

  const { feeds, ...original } = await withSession(files.before, optimised, async (session) => {
    const found = await firstThatRuns(session, files.model, seed, signal);
    const nudged = perturbed(found.feeds, seed);
    const { outputs } = keepsFunction ? await session.run(nudged, { signal }) : found;
    return { ...found, moved: outputs };
  });
  const expected = original.outputs;
  const run = (path: string, ways: Ways) =>
    withSession(path, ways, async (session) => (await session.run(feeds, { signal })).outputs);
  const actual = await run(files.after, optimised).catch((cause) => {
    throw impossible(`${files.after}: ${reasonOf(cause)}`, cause);
  });
  const noise: [Tensors, Tensors][] = [[expected, original.moved]];
  if (keepsFunction) {
    noise.push([expected, await run(files.before, plain)], [actual, await run(files.after, plain)]);
  }

  const least = Math.max(approximation, neighbours * coarsest(files.model));
  const outputs = [...expected].map(([name, tensor]): OutputComparison => {
    const difference = differenceOf(tensor, actual.get(name)!);
    const noises = noise.map(([a, b]) => differenceOf(a.get(name)!, b.get(name)!).absolute);
    const floor = roundingUnit(tensor.dtype) === 0 ? 0 : least * difference.scale;
    const bound = keepsFunction ? margin * Math.max(...noises) + floor : null;
    return { name, ...difference, bound };
  });
  const lost = [...expected].filter(
    ([name, tensor]) => allFinite(tensor) && !allFinite(actual.get(name)!),
  );
  if (lost.length > 0) {
    throw new GraftError(lost.map(([output]) => diagnostic("verify-not-finite", { output })));
  }
  const failures = outputs.filter(({ absolute, bound }) => bound !== null && !(absolute <= bound));
  if (failures.length > 0) throw new GraftError(failures.map(failure));
  return {
    inputs: [...feeds].map(([name, { shape }]) => ({ name, shape })),
    outputs,
  };
}

/** The largest rounding unit of what a model computes; weights that are stored in less do not round it. */
function coarsest({ graph }: Model): number {
  const made = graph.nodes.flatMap(({ outputs }) => outputs);
  const dtypes = new Set(made.flatMap((value) => value?.type?.dtype ?? []));
  return Math.max(0, ...[...dtypes].map(roundingUnit));
}

function failure({ name, absolute, bound }: OutputComparison): Diagnostic {
  const show = (x: number) => x.toPrecision(3);
  return diagnostic("verify-failed", {
    output: name,
    difference: show(absolute),
    bound: show(bound!),
  });
}

function allFinite(tensor: Tensor): boolean {
  return valuesOf(tensor).every(Number.isFinite);
}

interface Ways {
  /** The first that ONNX Runtime manages: its optimiser breaks some models that are right. */
  readonly levels: readonly NonNullable<SessionOptions["optimization"]>[];
  readonly device: Device | undefined;
}

async function withSession<T>(
  path: string,
  { levels, device }: Ways,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await firstToOpen(levels.map((optimization) => ({ optimization, device })));
  try {
    return await use(session);
  } finally {
    await session.release();
  }

  async function firstToOpen(ways: readonly SessionOptions[]): Promise<Session> {
    try {
      return await openSession(path, ways[0]);
    } catch (cause) {
      if (ways.length === 1) throw cause;
      return firstToOpen(ways.slice(1));
    }
  }
}

async function firstThatRuns(
  session: Session,
  { graph }: Model,
  seed: number,
  signal: AbortSignal | undefined,
): Promise<{ feeds: Tensors; outputs: Tensors }> {
  let reason = "the model has no inputs to try";
  for (const feeds of candidateFeeds(graph, seed)) {
    try {
      const { outputs } = await session.run(feeds, { signal });
      return { feeds, outputs };
    } catch (cause) {
      signal?.throwIfAborted();
      reason = reasonOf(cause);
    }
  }
  throw impossible(reason);
}

function impossible(reason: string, cause?: unknown): GraftError {
  return cause instanceof GraftError ? cause : fail("verify-impossible", { reason });
}
