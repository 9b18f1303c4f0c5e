/** Lines of an operator, and one operator called by another. */
import type * as ast from "../../grammar/ast.ts";
import { type Diagnostic, fail, GraftError } from "../diag/diagnostic.ts";
import type { Span } from "../diag/span.ts";
import type { Value } from "../ir/graph.ts";
import { random } from "../onnx-ops/random.ts";
import { bodyOf, reportDead } from "./check-lines.ts";
import { evaluate, type Wish } from "./evaluate.ts";
import { bindFormal } from "./formals.ts";
import { at, bindName, checkDeclarable, type Declaration, type Frame } from "./frame.ts";
import { layerKind } from "./layers.ts";
import { type Argument, assign, asTensor, bind, countOf, wrongValue } from "./params.ts";
import {
  type HostMap,
  isOperand,
  isTensor,
  kindOf,
  type List,
  list,
  show,
  sizeValue,
  type Val,
  type Wire,
} from "./values.ts";

/** What a `return` gives, and where it stands. */
export interface Returned {
  readonly values: readonly Val[];
  readonly at: Span;
}

export interface Entered extends Returned {
  /** Its params by name, and `x`, as they are bound when it begins. */
  readonly params: ReadonlyMap<string, Val>;
}

/** Runs lines up to a `return`. null: there was none. */
async function runBody(frame: Frame, body: ast.Body): Promise<Returned | null> {
  reportDead(body, frame.placement.reporter);
  for (const line of body.lines) {
    const returned = await runLine(frame, line);
    if (returned) return returned;
  }
  return null;
}

async function runLine(frame: Frame, line: ast.Line): Promise<Returned | null> {
  switch (line.kind) {
    case "layer":
      await declareLayer(frame, line);
      return null;
    case "weight":
      await declareWeight(frame, line);
      return null;
    case "let":
      await runAssign(frame, line.assign, checkConstant);
      return null;
    case "assign":
      await runAssign(frame, line);
      return null;
    case "if":
      return runIf(frame, line);
    case "return": {
      const values: Val[] = [];
      for (const value of line.values) values.push(await evaluate(frame, value));
      const [only] = values;
      const several = values.length === 1 && kindOf(only!) === "list";
      return { values: several ? (only as List).items : values, at: line.span };
    }
  }
}

async function runIf(frame: Frame, line: ast.If): Promise<Returned | null> {
  const condition = await evaluate(frame, line.condition);
  if (typeof condition !== "boolean") {
    if (kindOf(condition) === "wire") {
      const params = { name: "A condition", cause: "what the model computes" };
      throw fail("not-constant", params, { at: line.condition.span });
    }
    throw fail("not-a-truth", { value: show(condition) }, { at: line.condition.span });
  }
  if (condition) return runBody(frame, line.then);
  if (!line.else) return null;
  return runBody(frame, bodyOf(line.else));
}

type Check = (ident: ast.Ident, value: Val) => void;

async function runAssign(frame: Frame, line: ast.Assign, check?: Check): Promise<void> {
  const { names, value: expr } = line;
  const [only, ...others] = names;
  const wish: Wish = others.length === 0 ? { bound: only!.name } : { count: names.length };
  const value = await evaluate(frame, expr, wish);
  if (others.length === 0) {
    check?.(only!, value);
    bindName(frame, only!, value);
    return;
  }
  const items = kindOf(value) === "list" ? (value as List).items : [value];
  if (items.length !== names.length) {
    const counts = { names: names.length, values: items.length };
    throw fail("wrong-unpacking", counts, { at: expr.span });
  }
  names.forEach((name, i) => {
    check?.(name, items[i]!);
    bindName(frame, name, items[i]!);
  });
}

/** Large tables are left to the runtime, which makes them when it loads the model. */
function isMadeOfConstants(value: Value, seen: Set<Value> = new Set()): boolean {
  if (seen.has(value)) return true;
  seen.add(value);
  const { producer } = value;
  if (producer && random.has(producer.opType)) return false;
  return producer?.inputs.every((input) => !input || isMadeOfConstants(input, seen)) ?? false;
}

/** What `let` binds is known when the model is compiled; a symbolic size will do. */
function checkConstant(ident: ast.Ident, value: Val): void {
  const values = kindOf(value) === "list" ? (value as List).items : [value];
  const isWire = (item: Val): item is Wire => kindOf(item) === "wire";
  if (values.filter(isWire).every((wire) => isMadeOfConstants(wire.value))) return;
  const cause = "what the model computes";
  throw fail(
    "not-constant",
    { name: `\`${ident.name}\``, cause },
    {
      at: ident.span,
      hint: "without `let` it may be any tensor",
    },
  );
}

function checkUndeclared({ layers, weights, operator }: Frame, line: Declaration): void {
  const { name } = line.name;
  checkDeclarable(line, layers.get(name)?.line ?? weights.get(name)?.line, operator);
}

async function declareLayer(frame: Frame, line: ast.Layer): Promise<void> {
  checkUndeclared(frame, line);
  const { name } = line.type;
  const kind = layerKind(line.type);
  const args: Argument[] = [];
  for (const { name, value, span } of line.args) {
    args.push({ name: name?.name ?? null, value: await evaluate(frame, value), span });
  }
  const values = bind(frame.placement, name, kind.params, args, line.span);
  const form = await at(line.span, () => kind.form(values));
  const from = await evaluateFrom(frame, line.from);
  frame.layers.set(line.name.name, { line, form, from, weights: null });
}

async function declareWeight(frame: Frame, line: ast.Weight): Promise<void> {
  checkUndeclared(frame, line);
  const shape: number[] = [];
  for (const item of line.shape.items) {
    const value = await evaluate(frame, item);
    const what = `The shape of \`${line.name.name}\``;
    const size = await at(item.span, () => countOf(frame.placement, what, value));
    if (size === undefined) throw wrongValue(what, "whole numbers above 0", value, item.span);
    shape.push(size);
  }
  const from = await evaluateFrom(frame, line.from);
  frame.weights.set(line.name.name, { line, shape, from, tensor: null });
}

async function evaluateFrom(frame: Frame, expr: ast.Expr | null): Promise<HostMap | null> {
  if (!expr) return null;
  const value = await evaluate(frame, expr);
  if (kindOf(value) === "host-map") return value as HostMap;
  throw wrongValue("`from`", "a part of the host", value, expr.span);
}

/** How often an operator may stand within itself: more is a slip, and each is nodes of the model. */
const mostCalls = 64;
/** Calls within calls multiply, and no operator that somebody wrote comes to as many. */
const mostInPlace = 4096;

/**
 * Calls an operator: the first argument is its `x`.
 * @param bound the name its weights are under.
 */
export async function callOperator(
  caller: Frame,
  operator: ast.Operator,
  args: readonly Argument[],
  bound: string,
  span: Span,
): Promise<Val> {
  const name = operator.name.name;
  if (caller.chain.filter((each) => each === operator).length === mostCalls) {
    const hint = `an \`if\` on a parameter has to end it within ${mostCalls} calls`;
    throw fail("recursive-operator", { name, limit: mostCalls }, { at: span, hint });
  }
  if (++caller.placement.calls.count > mostInPlace) {
    const hint = "calls within calls multiply, and each call is nodes of the model";
    throw fail("too-many-calls", { limit: mostInPlace }, { at: span, hint });
  }
  const formals = [{ name: "x" }, ...operator.params.map((formal) => ({ name: formal.name.name }))];
  const given = assign(name, formals, args);
  const x = given.get(formals[0]!);
  if (!x) throw fail("missing-argument", { name, argument: "x" }, { at: span });
  if (!isOperand(x.value)) throw wrongValue(`\`x\` of \`${name}\``, "a tensor", x.value, x.span);
  const named = new Map(
    operator.params.flatMap((formal, i) => {
      const arg = given.get(formals[i + 1]!);
      return arg ? [[formal.name.name, arg] as const] : [];
    }),
  );
  try {
    const { values } = await enterOperator(
      {
        placement: caller.placement,
        operator,
        scope: caller.scope.scopeOf(operator),
        prefix: `${caller.prefix}${bound}.`,
        chain: [...caller.chain, operator],
      },
      asTensor(caller.placement, x.value),
      named,
    );
    return values.length === 1 ? values[0]! : list(values);
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    const text = `\`${name}\` is called here`;
    const known = (d: Diagnostic) => d.at === span || d.related.some(({ at }) => at === span);
    throw new GraftError(
      cause.diagnostics.map((d) =>
        known(d) ? d : { ...d, related: [...d.related, { at: span, text }] },
      ),
    );
  }
}

export type Entry = Pick<Frame, "placement" | "operator" | "scope" | "prefix" | "chain">;

/** Runs an operator on its `x`. */
export async function enterOperator(
  entry: Entry,
  x: Val,
  args: ReadonlyMap<string, Argument>,
): Promise<Entered> {
  const { operator, placement } = entry;
  const frame: Frame = {
    ...entry,
    names: new Map([["x", x]]),
    sizes: sizesOf(x),
    layers: new Map(),
    weights: new Map(),
    filling: null,
  };
  if (placement.context) frame.names.set("context", placement.context);
  for (const formal of operator.params) await bindFormal(frame, formal, args.get(formal.name.name));
  const params = new Map(frame.names);
  const returned = await runBody(frame, operator.body);
  const name = operator.name.name;
  if (!returned) throw fail("no-return", { name }, { at: operator.name.span });
  reportUnused(frame);
  return { ...returned, params };
}

/** `B`, `N` and `D` of an operator are those of its own `x`, where that is [B, N, D]. */
function sizesOf(x: Val): ReadonlyMap<string, Val> {
  if (!isTensor(x) || x.shape.length !== 3) return new Map();
  return new Map(["B", "N", "D"].map((name, axis) => [name, sizeValue(x.shape[axis]!)]));
}

function reportUnused({ layers, weights, placement }: Frame): void {
  const unused = [
    ...[...layers.values()].filter((layer) => !layer.weights),
    ...[...weights.values()].filter((weight) => !weight.tensor),
  ];
  for (const { line } of unused) {
    placement.reporter.report("unused-layer", { layer: line.name.name }, { at: line.name.span });
  }
}
