/** Operators of the language on tensors, numbers and sizes. */
import { fail } from "../diag/diagnostic.ts";
import { dtypes, elements } from "../ir/types.ts";
import { broadcast } from "../onnx-ops/op.ts";
import { mapped, multiplied, reshaped, zipped } from "./arrays.ts";
import { grow, isStrong, tensorOf, unified } from "./grow.ts";
import { checkKinds } from "./kinds.ts";
import type { Ground } from "./placement.ts";
import { compareSizes, sizeArithmetic } from "./size-arithmetic.ts";
import {
  type Known,
  type Operand,
  type Size,
  show,
  type Tensor,
  type Val,
  type Wire,
} from "./values.ts";

interface BinaryRow {
  readonly op: string;
  readonly apply: (a: number, b: number) => number;
  readonly gives?: "bool";
}

const truth = (condition: boolean) => (condition ? 1 : 0);

const binaries: Readonly<Record<string, BinaryRow>> = {
  "+": { op: "Add", apply: (a, b) => a + b },
  "-": { op: "Sub", apply: (a, b) => a - b },
  "*": { op: "Mul", apply: (a, b) => a * b },
  "/": { op: "Div", apply: (a, b) => a / b },
  "**": { op: "Pow", apply: (a, b) => a ** b },
  "<": { op: "Less", apply: (a, b) => truth(a < b), gives: "bool" },
  "<=": { op: "LessOrEqual", apply: (a, b) => truth(a <= b), gives: "bool" },
  ">": { op: "Greater", apply: (a, b) => truth(a > b), gives: "bool" },
  ">=": { op: "GreaterOrEqual", apply: (a, b) => truth(a >= b), gives: "bool" },
  "==": { op: "Equal", apply: (a, b) => truth(a === b), gives: "bool" },
  min: { op: "Min", apply: Math.min },
  max: { op: "Max", apply: Math.max },
  and: { op: "And", apply: (a, b) => truth(a !== 0 && b !== 0), gives: "bool" },
  or: { op: "Or", apply: (a, b) => truth(a !== 0 || b !== 0), gives: "bool" },
};

const orders = new Set(["<", "<=", ">", ">=", "==", "!="]);

/** `a op b` for the arithmetic, ordering and logical operators, `min` and `max`. */
export function binary(ground: Ground, op: string, a: Operand, b: Operand): Operand {
  if (isNumber(a) && isNumber(b)) {
    if (orders.has(op)) return compareSizes(ground, op, a, b);
    const result = sizeArithmetic(ground, op, a, b);
    if (result !== undefined) return result;
  }
  if (typeof a === "boolean" && typeof b === "boolean") {
    if (op === "and") return a && b;
    if (op === "or") return a || b;
    if (op === "==" || op === "!=") return (a === b) === (op === "==");
  }
  if (op === "!=") return not(ground, binary(ground, "==", a, b));
  if (op === "/" && b === 0) throw fail("division-by-zero", {});
  const weak = !isStrong(a) && !isStrong(b);
  const shortcut = identity(ground, op, a, b);
  if (shortcut) return shortcut;
  const [x, y] = unified({ ...ground, dtype: weak ? "float32" : ground.dtype }, op, [a, b]);
  const result = combine(ground, op, x!, y!);
  return weak && result.kind === "wire" ? { ...result, weak: true } : result;
}

function combine(ground: Ground, op: string, x: Tensor, y: Tensor): Tensor {
  const row = binaries[op]!;
  const { dtype } = x;
  const whole = !dtypes[dtype].float && row.gives !== "bool";
  checkKinds(row.op, ground.opset, [x, y], op);
  const inexact = () =>
    fail("inexact-elements", { op, dtype }, { hint: "`float(...)` makes it real" });
  if (x.kind === "wire" || y.kind === "wire" || growsLarge(op, x, y)) {
    // ONNX would cut the quotient without a word.
    if (op === "/" && whole) throw inexact();
    return grow(ground, row.op, [x, y]);
  }
  const result = zipped(op, [x, y], row.gives ?? dtype, row.apply);
  if (whole && !result.data.every(Number.isSafeInteger)) throw inexact();
  return result;
}

/** Elements that are stored though two small operands make them. */
const mostStored = 1 << 20;

/** A table of rows against columns would fill the file; the model makes it as it is loaded. */
function growsLarge(op: string, x: Known, y: Known): boolean {
  const count = elements(broadcast(op, [x, y]) as readonly number[]);
  return count > mostStored && count > 8 * (x.data.length + y.data.length);
}

/** What changes nothing, or has an operator of its own, when one side is a plain number. */
function identity(ground: Ground, op: string, a: Operand, b: Operand): Tensor | undefined {
  const [tensor, number] = isStrong(a) ? [a, b] : [b, a];
  if (!isStrong(tensor) || tensor.kind !== "wire") return undefined;
  const right = tensor === a;
  if (isZero(number) && (op === "+" || (op === "-" && right)) && spans(tensor, number)) {
    return tensor;
  }
  if (number === 1 && (op === "*" || (right && (op === "/" || op === "**")))) return tensor;
  if (op !== "**" || !right || !dtypes[tensor.dtype].float) return undefined;
  if (number === 2) return grow(ground, "Mul", [tensor, tensor]);
  if (number === 0.5) return grow(ground, "Sqrt", [tensor]);
  if (number === -1) return grow(ground, "Reciprocal", [tensor]);
  if (number === -0.5) return grow(ground, "Reciprocal", [grow(ground, "Sqrt", [tensor])]);
  return undefined;
}

function isZero(operand: Operand): operand is number | Known {
  if (typeof operand === "number") return operand === 0;
  return (
    typeof operand === "object" && operand.kind === "known" && operand.data.every((e) => e === 0)
  );
}

/** Whether adding `other` leaves the shape as it is. */
function spans(tensor: Wire, other: number | Known): boolean {
  if (typeof other === "number") return true;
  if (other.dtype !== tensor.dtype) return false;
  const extra = tensor.shape.length - other.shape.length;
  return extra >= 0 && other.shape.every((dim, i) => dim === 1 || dim === tensor.shape[i + extra]);
}

export function isNumber(value: Val): value is number | Size {
  return (
    typeof value === "number" ||
    (typeof value === "object" && value !== null && value.kind === "size")
  );
}

export function negate(ground: Ground, x: Operand): Operand {
  if (isNumber(x)) return binary(ground, "*", -1, x);
  if (typeof x === "boolean") throw fail("not-a-number", { value: show(x) });
  checkKinds("Neg", ground.opset, [x], "-");
  return x.kind === "known" ? mapped(x, (e) => -e) : { ...grow(ground, "Neg", [x]), weak: x.weak };
}

export function not(ground: Ground, x: Operand): Operand {
  if (typeof x === "boolean") return !x;
  if (isNumber(x) || x.dtype !== "bool") throw fail("not-a-truth", { value: show(x) });
  return x.kind === "known" ? mapped(x, (e) => truth(e === 0)) : grow(ground, "Not", [x]);
}

/** NumPy's matmul. */
export function matmul(ground: Ground, a: Operand, b: Operand): Tensor {
  const [x, y] = unified(ground, "@", [a, b]);
  if (x!.kind === "wire" || y!.kind === "wire") return grow(ground, "MatMul", [x!, y!]);
  checkKinds("MatMul", ground.opset, [x!, y!], "@");
  const left = x!.shape.length === 1 ? reshaped(x!, [1, ...x!.shape]) : x!;
  const right = y!.shape.length === 1 ? reshaped(y!, [...y!.shape, 1]) : y!;
  if (!left.shape.length || !right.shape.length || left.shape.at(-1) !== right.shape.at(-2)) {
    throw fail("shapes-do-not-meet", { op: "@", shapes: `${show(x!)} and ${show(y!)}` });
  }
  const product = multiplied(left, right);
  const rows = x!.shape.length === 1 ? [] : [product.shape.at(-2)!];
  const columns = y!.shape.length === 1 ? [] : [product.shape.at(-1)!];
  return reshaped(product, [...product.shape.slice(0, -2), ...rows, ...columns]);
}

/** c ? a : b, element by element. */
export function where(ground: Ground, condition: Operand, a: Operand, b: Operand): Tensor {
  const c = tensorOf(ground, condition, "bool");
  if (c.dtype !== "bool") throw fail("not-a-truth", { value: show(c) });
  const [x, y] = unified(ground, "select", [a, b]);
  if (c.kind === "wire" || x!.kind === "wire" || y!.kind === "wire") {
    return grow(ground, "Where", [c, x!, y!]);
  }
  return zipped("select", [c, x!, y!], x!.dtype, (test, yes, no) => (test ? yes : no));
}
