/** The two products of an attention, and how they read q, k and v. */
import type { Axes } from "./cores.ts";
import type { Op, Wire } from "./flow.ts";

const products = new Set(["MatMul", "FusedMatMul", "Einsum"]);

/** A product of two values that both depend on data. */
export function isDataProduct(op: Op): boolean {
  if (!products.has(op.type)) return false;
  const [a, b] = op.inputs;
  return Boolean(a && b && !a.constant && !b.constant);
}

export interface Operands {
  readonly q: Wire;
  readonly k: Wire;
  readonly keysTransposed: boolean;
  readonly scale: number;
  readonly axes: { readonly q: Axes; readonly k: Axes };
}

export function operandsOf(product: Op): Operands | null {
  const [a, b] = product.inputs as [Wire, Wire];
  const axes = { q: null, k: null };
  if (product.type === "MatMul") return { q: a, k: b, keysTransposed: true, scale: 1, axes };
  if (product.type === "FusedMatMul") {
    const { node } = product;
    if ((node.int("transA") ?? 0) !== 0) return null;
    if ((node.int("transBatchA") ?? 0) !== 0 || (node.int("transBatchB") ?? 0) !== 0) return null;
    const keysTransposed = (node.int("transB") ?? 0) === 0;
    return { q: a, k: b, keysTransposed, scale: node.float("alpha") ?? 1, axes };
  }
  const letters = einsumLetters(product);
  if (!letters) return null;
  // Scores end in [query, key]: q has the letter before the last, and both share a contracted one.
  const [query, key] = [letters.result.at(-2)!, letters.result.at(-1)!];
  const swapped = letters.a.includes(key);
  const [qs, ks] = swapped ? [letters.b, letters.a] : [letters.a, letters.b];
  const shared = [...qs].filter((x) => ks.includes(x) && !letters.result.includes(x));
  if (!qs.includes(query) || !ks.includes(key) || ks.includes(query)) return null;
  if (shared.length !== 1) return null;
  const [q, k] = swapped ? [b, a] : [a, b];
  const order = { q: orderOf(qs, query, shared[0]!), k: orderOf(ks, key, shared[0]!) };
  return { q, k, keysTransposed: false, scale: 1, axes: order };
}

/** Axes of an operand as [.., tokens, features]. */
function orderOf(letters: string, tokens: string, features: string): Axes {
  const rest = [...letters].filter((letter) => letter !== tokens && letter !== features);
  return [...rest, tokens, features].map((letter) => letters.indexOf(letter));
}

function einsumLetters(op: Op): { a: string; b: string; result: string } | null {
  const equation = (op.node.string("equation") ?? "").replaceAll(" ", "");
  const [operands, result] = equation.split("->");
  const [a, b] = operands!.split(",");
  return a && b && result ? { a, b, result } : null;
}

export interface Weighted {
  readonly v: Wire;
  readonly y: Wire;
  readonly scale: number;
  readonly axes: Axes;
}

export function weightedOf(product: Op, weights: Wire): Weighted | null {
  const [a, b] = product.inputs as [Wire, Wire];
  const y = product.outputs[0]!;
  if (product.type === "Einsum") {
    const letters = einsumLetters(product);
    if (!letters) return null;
    const [ps, vs] = a === weights ? [letters.a, letters.b] : [letters.b, letters.a];
    const key = ps.at(-1)!;
    const features = [...vs].filter((x) => !ps.includes(x) && letters.result.includes(x));
    if (!vs.includes(key) || features.length !== 1) return null;
    return { v: a === weights ? b : a, y, scale: 1, axes: orderOf(vs, key, features[0]!) };
  }
  if (a !== weights) return null;
  if (product.type === "FusedMatMul" && (product.node.float("alpha") ?? 1) !== 1) return null;
  return { v: b, y, scale: 1, axes: null };
}
