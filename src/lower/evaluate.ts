/** Expressions of an operator's body. */
import type * as ast from "../../grammar/ast.ts";
import { fail } from "../diag/diagnostic.ts";
import { binary, matmul, negate, not } from "./arithmetic.ts";
import { evaluateCall } from "./calls.ts";
import { at, type Frame, lookUp, unknownName } from "./frame.ts";
import { hasBias, hostMember } from "./host.ts";
import { hostTensor } from "./inherit.ts";
import { filledBy, initialisers } from "./initialise.ts";
import { mask, seen } from "./masks.ts";
import { notANumber } from "./params.ts";
import { notePlace } from "./places.ts";
import { subscript } from "./subscript.ts";
import {
  type HostMap,
  isOperand,
  isTensor,
  kindOf,
  type List,
  list,
  type Operand,
  show,
  sizeValue,
  type Val,
} from "./values.ts";
import { weightNamed } from "./weights.ts";

/** What the context of an expression wants of it. */
export interface Wish {
  /** The name that the value is bound to: weights of an operator that it calls are under it. */
  readonly bound?: string;
  /** How many values are taken apart. */
  readonly count?: number;
}

/** @throws GraftError at the innermost expression that means nothing. */
export function evaluate(frame: Frame, expr: ast.Expr, wish: Wish = {}): Promise<Val> {
  return at(expr.span, async () => {
    const { nodes } = frame.placement.patch;
    const since = nodes.length;
    const value = await valueOfExpression(frame, expr, wish);
    notePlace(nodes.slice(since), expr.span);
    if (typeof value === "number" && !Number.isFinite(value)) throw fail("not-finite", {});
    return value;
  });
}

function valueOfExpression(frame: Frame, expr: ast.Expr, wish: Wish): Val | Promise<Val> {
  switch (expr.kind) {
    case "number":
    case "percent":
    case "string":
      return expr.value;
    case "name":
      return nameValue(frame, expr);
    case "list":
      return listValue(frame, expr);
    case "unary":
      return unaryValue(frame, expr);
    case "binary":
      return binaryValue(frame, expr);
    case "member":
      return memberValue(frame, expr);
    case "call":
      return evaluateCall(frame, expr, wish);
    case "subscript":
      return subscript(frame, expr);
  }
}

function nameValue(frame: Frame, { name, domain }: ast.NameExpr): Val | Promise<Val> {
  if (domain !== "") throw fail("unknown-name", { name: `${domain}::${name}` });
  const value = lookUp(frame, name);
  if (value !== undefined) return value;
  if (frame.weights.has(name)) return weightNamed(frame, name);
  const initialiser = Object.hasOwn(initialisers, name) ? initialisers[name] : undefined;
  if (!initialiser) unknownName(frame, name);
  const { filling } = frame;
  if (!filling) throw fail("initialiser-elsewhere", { name });
  const needed = initialiser.params.find((param) => !("fallback" in param));
  if (needed) throw fail("missing-argument", { name, argument: needed.name });
  const defaults = initialiser.params.map((param) => Number(param.fallback));
  return filledBy(initialiser.fill(filling, defaults, filling.draw), filling.dtype, filling.shape);
}

async function listValue(frame: Frame, { items }: ast.ListExpr): Promise<Val> {
  const values: Val[] = [];
  for (const item of items) values.push(await evaluate(frame, item));
  return list(values);
}

async function unaryValue(frame: Frame, { op, operand }: ast.Unary): Promise<Val> {
  const x = await evaluateOperand(frame, operand);
  return op === "-" ? negate(frame.placement, x) : not(frame.placement, x);
}

async function binaryValue(frame: Frame, { op, left, right }: ast.Binary): Promise<Val> {
  const { placement } = frame;
  const a = await evaluate(frame, left);
  if ((op === "and" && a === false) || (op === "or" && a === true)) return a;
  const b = await evaluate(frame, right);
  if (op === "==" || op === "!=") {
    const plain = (value: Val) => !isOperand(value) && typeof value !== "object";
    if (plain(a) || plain(b) || a === null || b === null) return (a === b) === (op === "==");
  }
  if (op === "+" && kindOf(a) === "list" && kindOf(b) === "list") {
    return list([...(a as List).items, ...(b as List).items]);
  }
  const x = operandOf(frame, left, a);
  const y = operandOf(frame, right, b);
  return op === "@" ? matmul(placement, x, y) : binary(placement, op, x, y);
}

export async function evaluateOperand(frame: Frame, expr: ast.Expr): Promise<Operand> {
  return operandOf(frame, expr, await evaluate(frame, expr));
}

/** Maps of the host count as their weights, [out, in]. */
function operandOf(frame: Frame, expr: ast.Expr, value: Val): Operand {
  if (isOperand(value)) return value;
  if (kindOf(value) === "host-map") {
    return hostTensor(value as HostMap, frame.filling?.dtype ?? frame.placement.dtype);
  }
  throw notANumber(value, expr.span);
}

async function memberValue(frame: Frame, { object, name }: ast.Member): Promise<Val> {
  const value = await evaluate(frame, object);
  return at(name.span, () => {
    if (kindOf(value) === "host") {
      const { placement } = frame;
      if (name.name === "mask") return mask(placement, placement.host);
      if (name.name === "seen") return seen(placement, placement.host);
      if (name.name === "rotate") throw fail("not-a-number", { value: "`host.rotate`" });
      return hostMember(placement.host, name.name);
    }
    if (name.name === "bias" && kindOf(value) === "host-map") return hasBias(value as HostMap);
    if (name.name === "shape" && isTensor(value)) return list(value.shape.map(sizeValue));
    if (name.name === "dtype" && isTensor(value)) return { kind: "dtype", dtype: value.dtype };
    throw fail(
      "unknown-member",
      { value: show(value), member: name.name },
      {
        hint: isTensor(value) ? "a tensor has `.shape` and `.dtype`" : null,
      },
    );
  });
}
