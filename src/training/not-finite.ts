/** Where a loss or a gradient that is not finite comes from. */
import { dirname, join } from "node:path";
import { probeFinite } from "../../passes/train/probe.ts";
import { retype } from "../../passes/train/retype.ts";
import { type LossGraph, soFarName } from "../../passes/train/training-graph.ts";
import {
  createOracle,
  type Feeds,
  openSession,
  RunFailure,
  reasonOf,
  sentinel,
  type Tensor,
  type Trainer,
} from "../../runtime/index.ts";
import { fail, type GraftError } from "../diag/diagnostic.ts";
import type { Span } from "../diag/span.ts";
import type { Node } from "../ir/graph.ts";
import { elements } from "../ir/types.ts";
import { readModel, writeModel } from "../onnx/index.ts";
import { keepOutputs } from "../onnx-ops/interface.ts";
import { NotFinite } from "./stepper.ts";

export interface Accident {
  readonly cause: NotFinite;
  readonly graph: LossGraph;
  readonly trainer: Trainer;
  /** Of the recipe. */
  readonly span: Span;
  /** What is kept of the run, in words; null: nothing. */
  readonly kept: string | null;
}

/** What ended step `step`, from 0, as a diagnostic; what is no accident of a step, as it is. */
export async function explain(
  cause: unknown,
  step: number,
  accident: Omit<Accident, "cause">,
): Promise<unknown> {
  if (cause instanceof NotFinite) return notFinite({ ...accident, cause });
  if (!(cause instanceof RunFailure)) return cause;
  const reason = reasonOf(cause);
  const { nodes } = accident.graph.model.graph;
  const line = nodes.find(({ name }) => reason.includes(`'${name}'`))?.metadata.get("graftc.edit");
  const notes = line ? [`${line} asked for that node`] : [];
  return fail("step-failed", { step: step + 1, reason }, { at: accident.span, notes });
}

/** The diagnostic, with the first node whose output is not finite. */
async function notFinite(accident: Accident): Promise<GraftError> {
  const { cause, span, kept } = accident;
  const culprit = await culpritOf(accident);
  // The first step has moved nothing yet, so that its length is not to blame.
  const hint = cause.step > 0 ? "try a smaller `lr`, a `warmup`, or a smaller `clip`" : null;
  const details = {
    at: span,
    hint,
    notes: [...(culprit ? [culprit] : []), ...(kept ? [kept] : [])],
  };
  const step = cause.step + 1;
  if (cause.loss === null) return fail("gradient-not-finite", { step }, details);
  return fail("loss-not-finite", { step, loss: String(cause.loss) }, details);
}

async function culpritOf({ cause, graph, trainer }: Accident): Promise<string | null> {
  const names = graph.trained.map(({ name }) => name);
  return trainer.borrow(names, async (arrays) => {
    const broken = names.find((name) => arrays.get(name)!.some((each) => !Number.isFinite(each)));
    if (broken !== undefined) return `the weight \`${broken}\` is not finite before the step`;
    const weights = graph.trained.map(({ name, shape }): [string, Tensor] => {
      const { buffer, byteOffset, byteLength } = arrays.get(name)!;
      const data = new Uint8Array(buffer, byteOffset, byteLength);
      return [name, { dtype: "float32", shape, data }];
    });
    for (const { pass, feeds } of cause.suspects) {
      const node = await firstNotFinite(pass.path, graph, new Map([...feeds, ...weights]));
      if (node) return describeNode(node);
    }
    return null;
  });
}

/** Runs the training graph once more, asking every value; null where all are finite. */
async function firstNotFinite(path: string, graph: LossGraph, feeds: Feeds): Promise<Node | null> {
  const model = await readModel(path);
  const { outputs } = model.graph;
  keepOutputs(
    model,
    outputs.filter(({ name }) => name !== sentinel),
  );
  await retype(model, createOracle());
  const signs = probeFinite(model);
  const probe = join(dirname(path), "probe_model.onnx");
  await writeModel(model, probe);
  const session = await openSession(probe, { optimization: "disabled" });
  try {
    const given = new Map(feeds);
    for (const { name, shape } of graph.trained) {
      const data = new Uint8Array(4 * elements(shape));
      given.set(soFarName(name), { dtype: "float32", shape, data });
    }
    const ports = new Set(session.inputs.map(({ name }) => name));
    const own = new Map([...given].filter(([name]) => ports.has(name)));
    const { outputs } = await session.run(own);
    return signs.find(({ output }) => !isSound(outputs.get(output)!))?.node ?? null;
  } finally {
    await session.release();
  }
}

function isSound({ data }: Tensor): boolean {
  return Number.isFinite(new DataView(data.buffer, data.byteOffset).getFloat32(0, true));
}

function describeNode(node: Node): string {
  const source = sourceOf([node], 3);
  const edit = source?.metadata.get("graftc.edit");
  const asked = edit ? `, which ${edit} asked for` : "";
  const behind = source && source !== node ? `, behind \`${source.op}\` \`${source.name}\`` : "";
  return `the first value that is not finite leaves \`${node.op}\` \`${node.name}\`${behind}${asked}`;
}

/** The nearest of them, or of so many nodes before, that an edit asked for: gradients bear no line. */
function sourceOf(nodes: readonly Node[], before: number): Node | null {
  const stamped = nodes.find(({ metadata }) => metadata.get("graftc.edit") !== undefined);
  if (stamped || before === 0 || nodes.length === 0) return stamped ?? null;
  const producers = nodes.flatMap(({ inputs }) => inputs.flatMap((value) => value?.producer ?? []));
  return sourceOf(producers, before - 1);
}
