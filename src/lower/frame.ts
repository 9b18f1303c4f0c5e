/** One call of an operator: what its names mean. */
import type * as ast from "../../grammar/ast.ts";
import { fail, GraftError } from "../diag/diagnostic.ts";
import type { Span } from "../diag/span.ts";
import { nearest } from "../diag/suggest.ts";
import { type DType, dtypes } from "../ir/types.ts";
import { reservedNames } from "../plan/evaluate.ts";
import type { OperatorScope } from "../plan/plan.ts";
import { wayOf } from "./elsewhere.ts";
import type { Shaped } from "./initialise.ts";
import type { LayerForm } from "./layers.ts";
import type { Placement } from "./placement.ts";
import type { Stream } from "./random.ts";
import type { HostMap, Tensor, Val } from "./values.ts";

export interface Frame {
  readonly placement: Placement;
  readonly operator: ast.Operator;
  readonly scope: OperatorScope;
  /** Between the scope of the place and the names of its weights: `mix.`, or "". */
  readonly prefix: string;
  /** Params and what lines bind. */
  readonly names: Map<string, Val>;
  /** `B`, `N`, `D`, ... of its own `x`. */
  readonly sizes: ReadonlyMap<string, Val>;
  readonly layers: Map<string, DeclaredLayer>;
  readonly weights: Map<string, DeclaredWeight>;
  /** The operators that are being called, itself last. */
  readonly chain: readonly ast.Operator[];
  /** The weight whose initialiser is being evaluated. */
  readonly filling: Filling | null;
}

export type Declaration = ast.Layer | ast.Weight;

export interface DeclaredLayer {
  readonly line: ast.Layer;
  readonly form: LayerForm;
  readonly from: HostMap | null;
  /** Made at the first call. */
  weights: readonly Tensor[] | null;
}

export interface DeclaredWeight {
  readonly line: ast.Weight;
  readonly shape: readonly number[];
  readonly from: HostMap | null;
  /** Made at the first use. */
  tensor: Tensor | null;
}

export interface Filling extends Shaped {
  readonly dtype: DType;
  readonly draw: () => Stream;
}

const constants: ReadonlyMap<string, Val> = new Map<string, Val>([
  ["true", true],
  ["false", false],
  ["none", null],
]);

/** What may be bound: `x` and `context` may be, the sizes of the place and `host` may not. */
export function checkBindable({ name, span }: ast.Ident): void {
  if (name === "x" || name === "context" || !reservedNames.has(name)) return;
  throw fail("reserved-name", { name }, { at: span });
}

/**
 * Layers and weights have names of their own, but the name of a weight stands for its values.
 * @param first what is declared by that name already.
 * @throws GraftError `reserved-name`, `declared-twice`
 */
export function checkDeclarable(
  { kind, name: { name, span } }: Declaration,
  first: Declaration | undefined,
  { params }: ast.Operator,
): void {
  if (reservedNames.has(name)) throw fail("reserved-name", { name }, { at: span });
  const formal = kind === "weight" ? params.find((each) => each.name.name === name) : undefined;
  const known = first ?? formal;
  if (!known) return;
  const related = [{ at: known.name.span, text: "declared here" }];
  throw fail("declared-twice", { name }, { at: span, related });
}

export function bindName(frame: Frame, ident: ast.Ident, value: Val): void {
  checkBindable(ident);
  frame.names.set(ident.name, value);
}

/** @returns undefined for the name of a weight, and for what means nothing. */
export function lookUp(frame: Frame, name: string): Val | undefined {
  const { placement, names, sizes, scope } = frame;
  if (constants.has(name)) return constants.get(name);
  if (names.has(name)) return names.get(name);
  if (frame.weights.has(name)) return undefined;
  const size = sizes.get(name) ?? placement.names.get(name);
  if (size !== undefined) return size;
  const why = placement.missing.get(name);
  if (why !== undefined) {
    if (name !== "context") throw fail("size-unknown-here", { name, why });
    throw fail("no-context", { site: placement.host.site, name });
  }
  if (name === "host") return { kind: "host" };
  const param = scope.params.get(name);
  if (param !== undefined) return param;
  if (name in dtypes) return { kind: "dtype", dtype: name as DType };
  return name === "pi" ? Math.PI : undefined;
}

/** @throws GraftError with the nearest name that would mean something. */
export function unknownName(frame: Frame, name: string): never {
  const { placement, scope } = frame;
  if (frame.layers.has(name)) {
    throw fail("unknown-name", { name }, { hint: `\`${name}\` is a layer: call it` });
  }
  const candidates = [
    ...frame.names.keys(),
    ...frame.weights.keys(),
    ...placement.names.keys(),
    ...scope.params.keys(),
    "host",
  ];
  const close = nearest(name, candidates);
  const hint = wayOf(name) ?? (close && `did you mean \`${close}\`?`);
  throw fail("unknown-name", { name }, { hint });
}

/** Runs `step`; mistakes that have no place yet are put at `span`. */
export async function at<T>(span: Span, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    throw new GraftError(cause.diagnostics.map((d) => (d.at ? d : { ...d, at: span })));
  }
}
