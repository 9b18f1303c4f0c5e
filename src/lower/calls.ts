/** Calls: ONNX operators, layers, functions of the library, other operators, `host.rotate`. */
import type * as ast from "../../grammar/ast.ts";
import { fail } from "../diag/diagnostic.ts";
import type { Span } from "../diag/span.ts";
import { nearest } from "../diag/suggest.ts";
import { isOp } from "../onnx-ops/schemas.ts";
import { callOperator } from "./body.ts";
import { wayOf } from "./elsewhere.ts";
import { evaluate, type Wish } from "./evaluate.ts";
import { at, type Frame } from "./frame.ts";
import { cast } from "./grow.ts";
import { stackMaps } from "./host.ts";
import { filledBy, initialisers } from "./initialise.ts";
import { library } from "./library.ts";
import { callOnnx, snakeOf } from "./onnx-call.ts";
import { type Argument, bind, checkNamedLast, tensor } from "./params.ts";
import { rotate } from "./replay.ts";
import { type HostMap, kindOf, list, show, type Tensor, type Val } from "./values.ts";
import { layerWeights } from "./weights.ts";

export async function evaluateCall(frame: Frame, expr: ast.Call, wish: Wish): Promise<Val> {
  const { callee } = expr;
  if (callee.kind === "member") return callMember(frame, callee, expr);
  if (callee.kind !== "name") {
    const value = await evaluate(frame, callee);
    throw fail("not-callable", { value: show(value) }, { at: callee.span });
  }
  const { name, domain } = callee;
  if (domain !== "" || /^[A-Z]/.test(name)) {
    if (domain === "" && isOwn(frame, name)) throw misnamed(name, callee.span);
    return callOnnx(frame.placement, callee, await argumentsOf(frame, expr), wish.count ?? 1);
  }
  if (frame.layers.has(name)) return callLayer(frame, name, await argumentsOf(frame, expr), expr);
  const operator = frame.scope.operators.get(name);
  if (operator) {
    const args = await argumentsOf(frame, expr);
    return callOperator(frame, operator, args, wish.bound ?? name, expr.span);
  }
  const filled = frame.filling && (await callInitialiser(frame, name, expr));
  if (filled) return filled;
  const known = library.get(name);
  if (!known) return unknownFunction(frame, callee);
  const args = await argumentsOf(frame, expr);
  const stacked = name === "concat" && stackedMaps(args);
  if (stacked) return stacked;
  return known.call(frame.placement, bind(frame.placement, name, known.params, args, expr.span));
}

function isOwn({ layers, scope }: Frame, name: string): boolean {
  return !isOp(name) && (layers.has(name) || scope.operators.has(name));
}

function misnamed(name: string, at: Span) {
  const notes = ["names are snake_case: one that begins with a capital is an operator of ONNX"];
  const hint = `call it \`${snakeOf(name)}\`; \`as "${name}"\` stores it so`;
  return fail("unknown-onnx-operator", { op: name }, { at, hint, notes });
}

async function argumentsOf(frame: Frame, { callee, args }: ast.Call): Promise<Argument[]> {
  const { source, start, end } = callee.span;
  checkNamedLast(source.text.slice(start, end), args);
  const values: Argument[] = [];
  for (const { name, value, span } of args) {
    const real = value.kind === "number" && !value.integer;
    values.push({ name: name?.name ?? null, value: await evaluate(frame, value), span, real });
  }
  return values;
}

async function callMember(frame: Frame, callee: ast.Member, expr: ast.Call): Promise<Val> {
  const object = await evaluate(frame, callee.object);
  const { name, span } = callee.name;
  if (kindOf(object) !== "host" || name !== "rotate") {
    const { source, start, end } = callee.span;
    const value = `\`${source.text.slice(start, end)}\``;
    throw fail("not-callable", { value }, { at: span, hint: wayToCall(object, name) });
  }
  const { placement } = frame;
  const params = [tensor("q"), tensor("k")];
  const [q, k] = bind(placement, "host.rotate", params, await argumentsOf(frame, expr), expr.span);
  return list(rotate(placement, placement.host, q as Tensor, k as Tensor));
}

function wayToCall(object: Val, name: string): string | undefined {
  if (kindOf(object) === "host") return `\`layer ... from host.${name}\` takes its weights`;
  return library.has(name) ? `\`${name}(x, ...)\`` : wayOf(name);
}

async function callLayer(
  frame: Frame,
  name: string,
  args: readonly Argument[],
  expr: ast.Call,
): Promise<Val> {
  const { placement } = frame;
  const [x] = bind(placement, name, [tensor("x")], args, expr.span);
  const { form, line } = frame.layers.get(name)!;
  return placement.patch.within(`${frame.prefix}${line.as?.value ?? name}`, async () => {
    const weights = await layerWeights(frame, name);
    return form.apply(placement, x as Tensor, weights);
  });
}

/** `uniform(1, 16)` inside of an initialiser's expression; null where the library is meant. */
async function callInitialiser(frame: Frame, name: string, expr: ast.Call): Promise<Val | null> {
  const { placement, filling } = frame;
  if (name === "arange") {
    const range = library.get("range")!;
    const args = await argumentsOf(frame, expr);
    const values = bind(placement, name, range.params, args, expr.span);
    return cast(placement, range.call(placement, values) as Tensor, filling!.dtype);
  }
  const initialiser = Object.hasOwn(initialisers, name) ? initialisers[name]! : undefined;
  if (!initialiser || initialiser.params.length === 0) return null;
  const args = await argumentsOf(frame, expr);
  const values = bind(placement, name, initialiser.params, args, expr.span) as number[];
  const { dtype, shape, draw } = filling!;
  return filledBy(initialiser.fill(filling!, values, draw), dtype, shape);
}

/** `concat(host.k, host.v)`: maps of the host, one below the other. */
function stackedMaps(args: readonly Argument[]): Val | null {
  const maps = args.filter(({ name }) => name === null).map(({ value }) => value);
  const all = maps.length > 0 && maps.every((value) => kindOf(value) === "host-map");
  return all ? stackMaps(maps as HostMap[]) : null;
}

function unknownFunction(frame: Frame, { name, span }: ast.NameExpr): Promise<never> {
  return at(span, () => {
    const way = wayOf(name);
    if (Object.hasOwn(initialisers, name)) {
      throw fail("initialiser-elsewhere", { name }, { hint: way });
    }
    if (way) throw fail("unknown-function", { name }, { hint: way });
    const names = [...frame.layers.keys(), ...library.keys(), ...frame.scope.operators.keys()];
    const close = nearest(name, names);
    throw fail("unknown-function", { name }, { hint: close ? `did you mean \`${close}\`?` : null });
  });
}
