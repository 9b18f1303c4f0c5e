/** What can be said of an operator before it stands anywhere. */
import type * as ast from "../../grammar/ast.ts";
import { fail, GraftError, type Reporter } from "../diag/diagnostic.ts";
import { nearest } from "../diag/suggest.ts";
import { dtypes } from "../ir/types.ts";
import { isOp, opNames } from "../onnx-ops/schemas.ts";
import { reservedNames } from "../plan/evaluate.ts";
import { mentions } from "../plan/mentions.ts";
import { checkDefault } from "../plan/operator-use.ts";
import type { OperatorScope } from "../plan/plan.ts";
import { checkCall, checkLayer } from "./check-call.ts";
import { bodyOf, checkLines } from "./check-lines.ts";
import { wayOf } from "./elsewhere.ts";
import { checkMember } from "./host.ts";
import { initialisers } from "./initialise.ts";
import { layerKind } from "./layers.ts";
import { library } from "./library.ts";

interface Names {
  readonly values: ReadonlySet<string>;
  readonly layers: ReadonlySet<string>;
  readonly functions: ReadonlySet<string>;
}

/**
 * Reports names that nothing in the operator or around it defines, kinds of layers and parts of the
 * host that do not exist, calls with other arguments than there are, and a body without `return`. Names
 * count in any order of the lines, as branches may.
 */
export function checkOperator(
  operator: ast.Operator,
  scope: OperatorScope,
  reporter: Reporter,
): void {
  const before = reporter.diagnostics.length;
  const lines = linesOf(operator.body);
  const names = namesOf(operator, lines, scope);
  for (const node of nodesOf(operator)) {
    reporter.attempt(() => checkNode(node, names, scope));
  }
  for (const formal of operator.params) reporter.attempt(() => checkDefault(formal, scope.params));
  checkLines(operator.body, { operator, reporter, declared: new Map() });
  if (!lines.some(({ kind }) => kind === "return")) {
    reporter.report("no-return", { name: operator.name.name }, { at: operator.name.span });
  }
  if (reporter.diagnostics.slice(before).some(({ severity }) => severity === "error")) return;
  const called = calledNames(operator.body);
  for (const line of lines) {
    if (line.kind !== "layer" && line.kind !== "weight") continue;
    const { name, span } = line.name;
    const used = line.kind === "layer" ? called.has(name) : mentions(operator.body, name);
    if (!used) reporter.report("unused-layer", { layer: name }, { at: span });
  }
}

function calledNames(body: ast.Body): ReadonlySet<string> {
  const calls = [...nodesOf(body)].filter((node) => node.kind === "call") as ast.Call[];
  return new Set(calls.flatMap(({ callee }) => (callee.kind === "name" ? callee.name : [])));
}

function linesOf({ lines }: ast.Body): ast.Line[] {
  return lines.flatMap((line): ast.Line[] => {
    if (line.kind !== "if") return [line];
    return [line, ...linesOf(line.then), ...(line.else ? linesOf(bodyOf(line.else)) : [])];
  });
}

function namesOf(
  { params }: ast.Operator,
  lines: readonly ast.Line[],
  scope: OperatorScope,
): Names {
  const values = new Set([
    ...reservedNames,
    ...scope.params.keys(),
    ...Object.keys(dtypes),
    "pi",
    ...Object.keys(initialisers),
    ...params.map(({ name }) => name.name),
  ]);
  const layers = new Set<string>();
  for (const line of lines) {
    if (line.kind === "layer") layers.add(line.name.name);
    if (line.kind === "weight") values.add(line.name.name);
    const assigned = line.kind === "let" ? line.assign : line.kind === "assign" ? line : null;
    for (const { name } of assigned?.names ?? []) values.add(name);
  }
  const functions = new Set([
    ...layers,
    ...library.keys(),
    ...scope.operators.keys(),
    ...Object.keys(initialisers),
  ]);
  return { values, layers, functions };
}

type Tree = { readonly kind?: string };

/** Every node below, callees as parts of their calls. */
function* nodesOf(tree: unknown): Iterable<Tree> {
  if (typeof tree !== "object" || tree === null) return;
  if (Array.isArray(tree)) {
    for (const item of tree) yield* nodesOf(item);
    return;
  }
  yield tree;
  const called = (tree as Tree).kind === "call" && (tree as ast.Call).callee.kind !== "member";
  for (const [key, child] of Object.entries(tree)) {
    if (key !== "span" && !(called && key === "callee")) yield* nodesOf(child);
  }
}

function checkNode(node: Tree, names: Names, scope: OperatorScope): void {
  if (node.kind === "layer") {
    layerKind((node as ast.Layer).type);
    checkLayer(node as ast.Layer);
  }
  if (node.kind === "name") checkName(node as ast.NameExpr, names);
  if (node.kind === "call") {
    checkCallee((node as ast.Call).callee, names);
    checkCall(node as ast.Call, names.layers, scope);
  }
  if (node.kind === "member") checkHostPart(node as ast.Member);
}

function checkName({ name, domain, span }: ast.NameExpr, { values, layers }: Names): void {
  if (domain === "" && values.has(name)) return;
  const close = nearest(name, values);
  const hint = layers.has(name)
    ? `\`${name}\` is a layer: call it`
    : (wayOf(name) ?? (close && `did you mean \`${close}\`?`));
  throw fail("unknown-name", { name }, { at: span, hint });
}

/** Capitals are operators of ONNX; which ones there are depends on the model's opset. */
function checkCallee(callee: ast.Expr, { functions }: Names): void {
  if (callee.kind !== "name" || callee.domain !== "") return;
  const { name, span } = callee;
  if (functions.has(name) || isOp(name)) return;
  const isOnnx = /^[A-Z]/.test(name);
  const close = nearest(name, isOnnx ? opNames() : functions);
  const details = { at: span, hint: wayOf(name) ?? (close && `did you mean \`${close}\`?`) };
  if (isOnnx) throw fail("unknown-onnx-operator", { op: name }, details);
  throw fail("unknown-function", { name }, details);
}

function checkHostPart({ object, name }: ast.Member): void {
  if (object.kind !== "name" || object.name !== "host") return;
  try {
    checkMember(name.name);
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    throw new GraftError(cause.diagnostics.map((each) => ({ ...each, at: name.span })));
  }
}
