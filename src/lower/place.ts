import type * as ast from "../../grammar/ast.ts";
import type { Part } from "../anatomy/anatomy.ts";
import { scopeAt } from "../anatomy/naming.ts";
import { type Diagnostic, fail, GraftError, type Reporter } from "../diag/diagnostic.ts";
import type { Span } from "../diag/span.ts";
import type { Model, Use, Value } from "../ir/graph.ts";
import type { Oracle } from "../ir/oracle.ts";
import { type DType, dtypes, showType } from "../ir/types.ts";
import type { Patch } from "../onnx-ops/patch.ts";
import { lostUse } from "../onnx-ops/patch-parts.ts";
import { createSizes } from "../onnx-ops/sizes.ts";
import { findOrphans } from "../onnx-ops/sweep.ts";
import type { ArgValue, OperatorScope, Site } from "../plan/plan.ts";
import { enterOperator } from "./body.ts";
import { cast, wire } from "./grow.ts";
import { commonLayout, linearsOf } from "./host.ts";
import { type Layout, storedTensor } from "./inherit.ts";
import { warnOfLosses } from "./losses.ts";
import type { PlacedWeight, Placement } from "./placement.ts";
import { takeReturned } from "./returned.ts";
import { enter, formOf, type Stream } from "./stream.ts";
import { sizeValue, type Val, type Wire } from "./values.ts";

export interface PlaceRequest {
  readonly model: Model;
  /** Of the model's main graph, scoped to the part. The caller redirects readers and commits. */
  readonly patch: Patch;
  readonly site: Site;
  readonly operator: ast.Operator;
  readonly scope: OperatorScope;
  /** Those that were given; the rest take their defaults. */
  readonly args: ReadonlyMap<string, ArgValue>;
  /** Whether layers take from the host what they name with `from`. */
  readonly inherit: boolean;
  readonly seed: number;
  readonly oracle: Oracle;
  /** Gets the warnings and notes. */
  readonly reporter: Reporter;
  /** The edit that asked for it, for messages. */
  readonly asked?: Span;
}

export interface PlacedOperator {
  /** In the place of the part's outputs: same count, same types. */
  readonly outputs: readonly Value[];
  readonly weights: readonly PlacedWeight[];
  /** By name, those that were not given with their defaults. */
  readonly params: ReadonlyMap<string, Val>;
}

/**
 * Grows an operator beside the part of a site, reading what the part reads.
 * Nothing but the patch is changed.
 * @throws GraftError where the operator does not fit the place.
 */
export async function placeOperator(request: PlaceRequest): Promise<PlacedOperator> {
  const { operator, scope, patch, reporter } = request;
  const since = patch.nodes.length;
  const said = reporter.diagnostics.length;
  try {
    const placement = openPlacement(request);
    const result = await enterOperator(
      { placement, operator, scope, prefix: "", chain: [operator] },
      placement.x,
      argumentsOf(request),
    );
    const outputs = takeReturned(request, placement, result);
    patch.prune(since, outputs);
    warnOfLosses(placement, operator, asked(request));
    for (const { node, index } of biasInputs(request.site.part)) patch.rewire(node, index, null);
    noteRenames(request, outputs);
    return { outputs, weights: placement.weights, params: result.params };
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    throw new GraftError(cause.diagnostics.map((d) => asking(request, d)));
  } finally {
    const remarks = reporter.diagnostics.splice(said);
    reporter.diagnostics.push(...remarks.map((d) => asking(request, d)));
  }
}

function asked({ asked, operator }: PlaceRequest): Span {
  return asked ?? operator.name.span;
}

/** A mistake in an operator, together with the edit that asked for it. */
function asking({ operator, site, asked }: PlaceRequest, d: Diagnostic): Diagnostic {
  const at = d.at ?? operator.name.span;
  if (!asked || at === asked) return { ...d, at };
  const text = `\`${operator.name.name}\` is asked for here, for ${site.label}`;
  return { ...d, at, related: [...d.related, { at: asked, text }] };
}

function argumentsOf(request: PlaceRequest) {
  const span = asked(request);
  return new Map([...request.args].map(([name, value]) => [name, { name, value, span }]));
}

function openPlacement(request: PlaceRequest): Placement {
  const { model, patch, site, oracle, reporter, seed, inherit } = request;
  const opset = model.opsets.get("") ?? 1;
  if (opset < 13) {
    const hint = "`onnx.version_converter.convert_version(model, 13)` raises it";
    throw fail("opset-too-old", { model: model.path, opset }, { at: asked(request), hint });
  }
  const { part, block, label } = site;
  const input = part?.x ?? block.input;
  const sizes = createSizes(patch);
  const type = input.type ?? { dtype: "float32", shape: null };
  const dtype = computedIn(part) ?? type.dtype;
  const ground = { model, patch, oracle, opset, dtype, sizes };
  const form = formOf(site, type);
  if (!form) {
    const params = { site: label, type: showType(input.type) };
    throw fail("not-a-stream", params, { at: asked(request) });
  }
  const own = wire(ground, input, type);
  const outer =
    form === "BN,D" ? wire(ground, block.input, block.input.type!).shape.slice(0, 2) : [];
  const x = cast(ground, enter(ground, form, own, outer), dtype) as Wire;
  const second = part ? part.context : (block.context?.input ?? null);
  const beside = part ? part.contextOrder : site.stack.order;
  const context = second?.type?.shape
    ? (cast(ground, enter(ground, beside, wire(ground, second, second.type)), dtype) as Wire)
    : null;
  const stream: Stream = { form, shape: own.shape, beside };
  const used = { rotation: false, mask: false, order: false };
  const { names, missing } = namesOf(site, { x, context });
  const heads = names.get("H");
  return {
    ...ground,
    host: {
      part,
      site: label,
      batch: x.shape[0]!,
      tokens: x.shape[1]!,
      keys: context?.shape[1] ?? x.shape[1]!,
      width: Number(x.shape[2]),
      heads: typeof heads === "number" ? heads : null,
      used,
    },
    reporter,
    seed,
    inherit,
    scope: scopeAt(site),
    ...weightsBefore(part, dtype),
    stream,
    x,
    context,
    names,
    missing,
    weights: [],
    calls: { count: 0 },
  };
}

/** Biases of the part that a fused operator behind it adds: they leave with it. */
function biasInputs(part: Part | null): Use[] {
  return linearsOf(part).flatMap(({ biasInput }) =>
    biasInput?.node.graph ? lostUse([biasInput.node, biasInput.index]) : [],
  );
}

/** The element type and the layout that most weights of the part have. */
function weightsBefore(part: Part | null, dtype: DType): { weightType: DType; layout: Layout } {
  const linears = linearsOf(part);
  const types = linears.flatMap(({ weight }) => storedTensor(weight)?.dtype ?? []);
  const real = types.filter((type) => dtypes[type].float && dtypes[type].bits >= 16);
  return { weightType: mostCommon(real) ?? dtype, layout: commonLayout(linears) };
}

/** What multiplies by a weight, in whatever type the weight is stored. */
const products: ReadonlySet<string> = new Set([
  "MatMul",
  "Gemm",
  "Conv",
  "Einsum",
  "com.microsoft::FusedMatMul",
  "com.microsoft::FusedGemm",
  "com.microsoft::MatMulNBits",
]);

/** The type that most projections of the part are computed in: in mixed precision that is not its input's. */
function computedIn(part: Part | null): DType | undefined {
  const types = linearsOf(part).flatMap(({ nodes }) =>
    [...nodes].flatMap(({ op, outputs }) =>
      products.has(op) ? (outputs[0]?.type?.dtype ?? []) : [],
    ),
  );
  return mostCommon(types.filter((type) => dtypes[type].float));
}

function mostCommon<T>(items: readonly T[]): T | undefined {
  const count = (item: T) => items.filter((other) => other === item).length;
  return items.toSorted((a, b) => count(b) - count(a))[0];
}

type Given = Pick<Placement, "x" | "context">;

/** The sizes of the place, and why it lacks the rest. */
function namesOf({ stack, block, part, label }: Site, { x, context }: Given) {
  const [b, n, d] = x.shape as [number, number, number];
  const attention = [part, ...block.parts.values()].find((each) => each?.host.kind === "attention");
  const heads =
    attention?.host.kind === "attention" ? attention.host.heads : (stack.heads ?? undefined);
  const [rows, columns] = stack.grid ?? [];
  const width = context?.shape.at(-1);
  const all: Record<string, [number | string | null | undefined, string]> = {
    B: [b, ""],
    N: [n, ""],
    D: [d, ""],
    H: [heads, `${label} has no heads that graftc found`],
    M: [context?.shape.at(-2), `${label} has no second stream`],
    D_context: [width, `${label} has no second stream`],
    context: [undefined, `${label} has no second stream`],
    grid_h: [rows, `the tokens of ${label} are not found to come from patches`],
    grid_w: [columns, `the tokens of ${label} are not found to come from patches`],
  };
  const names = new Map<string, Val>();
  const missing = new Map<string, string>();
  for (const [name, [size, why]] of Object.entries(all)) {
    if (size === undefined || size === null) missing.set(name, why);
    else names.set(name, sizeValue(size));
  }
  return { names, missing };
}

/** Values of the host that lose their name to a weight and are still read afterwards. */
function noteRenames(
  { patch, site, operator, reporter, asked }: PlaceRequest,
  grown: Value[],
): void {
  const { graph, weights, nodes } = patch;
  const rivals = [...weights.keys()].flatMap((name) => graph.values.get(name) ?? []);
  if (rivals.length === 0) return;
  const replaced = site.part?.outputs ?? [site.block.output];
  const biases = biasInputs(site.part);
  const lost = biases.flatMap(({ node, index }) => node.inputs[index] ?? []);
  const { values } = findOrphans(graph, [...replaced, ...lost], {
    moved: new Set([...replaced.flatMap((output) => [...output.uses]), ...biases]),
    replaced: new Set(replaced),
    read: new Set([...nodes.flatMap(({ inputs }) => inputs), ...grown]),
  });
  for (const rival of rivals) {
    if (values.has(rival) || graph.inputs.includes(rival)) continue;
    patch.evict(rival);
    const params = { name: rival.name, operator: operator.name.name };
    reporter.report("name-given-up", params, { at: asked ?? operator.name.span });
  }
}
