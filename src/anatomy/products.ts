/** The two products of an attention, and how they read q, k and v. */
import { type Equation, equationOf } from "../onnx-ops/einsum.ts";
import type { Axes } from "./cores.ts";
import type { Op, Wire } from "./flow.ts";

const products = new Set(["MatMul", "FusedMatMul", "Einsum"]);

/** A product of two values that both depend on data. */
export function isDataProduct(op: Op): boolean {
  if (!products.has(op.type)) return false;
  const [a, b] = op.inputs;
  return Boolean(a && b && !a.constant && !b.constant);
}

/** What a Transpose does with scores: their last two axes stay, change places, or move elsewhere. */
export function turnOf(op: Op): "none" | "swap" | "other" {
  const rank = op.outputs[0]?.value?.type?.shape?.length;
  const order = op.node.ints("perm") ?? (rank === 2 ? [1, 0] : []);
  const last = order.length - 1;
  if (order[last] === last) return "none";
  return order[last] === last - 1 && order[last - 1] === last ? "swap" : "other";
}

/**
 * Axes of an operand as its product has them, [.., rows, columns] or, `turned`, [.., columns, rows];
 * FusedMatMul may take the first axis behind the others of the batch. null where they stay.
 */
export function axesAt(product: Op, side: "A" | "B", turned: boolean): Axes {
  const moved = fusedOf(product).flag(`transBatch${side}`);
  if (!moved && !turned) return null;
  const rank = product.inputs[side === "A" ? 0 : 1]?.value?.type?.shape?.length ?? 4;
  const [first, ...rest] = Array.from({ length: rank }, (_, axis) => axis);
  const last = rest.pop()!;
  const axes = moved ? [...rest, first!, last] : [first!, ...rest, last];
  return turned ? [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!] : axes;
}

export interface Operands {
  readonly q: Wire;
  readonly k: Wire;
  readonly keysTransposed: boolean;
  readonly scale: number;
  readonly axes: { readonly q: Axes; readonly k: Axes };
}

/** Of the product behind scores; `turned` where it is [key, query], (q k^T)^T = k q^T. */
export function operandsOf(product: Op, turned: boolean): Operands | null {
  const [a, b] = product.inputs as [Wire, Wire];
  if (product.type !== "Einsum") {
    const { flag, scale } = fusedOf(product);
    if (flag("transA")) return null;
    const secondTransposed = !flag("transB");
    if (turned) {
      const axes = { q: axesAt(product, "B", secondTransposed), k: axesAt(product, "A", false) };
      return { q: b, k: a, keysTransposed: false, scale, axes };
    }
    const keysTransposed = secondTransposed && !flag("transBatchB");
    const k = axesAt(product, "B", secondTransposed && !keysTransposed);
    return { q: a, k: b, keysTransposed, scale, axes: { q: axesAt(product, "A", false), k } };
  }
  const letters = einsumLetters(product);
  if (!letters) return null;
  // Scores end in [query, key]: q has the letter before the last, and both share a contracted one.
  const ends = [letters.result.at(-2)!, letters.result.at(-1)!] as const;
  const [query, key] = turned ? [ends[1], ends[0]] : ends;
  const swapped = letters.a.includes(key);
  const [qs, ks] = swapped ? [letters.b, letters.a] : [letters.a, letters.b];
  const shared = [...qs].filter((x) => ks.includes(x) && !letters.result.includes(x));
  if (!qs.includes(query) || !ks.includes(key) || ks.includes(query)) return null;
  if (shared.length !== 1) return null;
  const [q, k] = swapped ? [b, a] : [a, b];
  const order = { q: orderOf(qs, query, shared[0]!), k: orderOf(ks, key, shared[0]!) };
  return { q, k, keysTransposed: false, scale: 1, axes: order };
}

/** What FusedMatMul has beside a product, and MatMul has not. */
export function fusedOf({ type, node }: Op) {
  const fused = type === "FusedMatMul";
  return {
    flag: (name: string) => fused && (node.int(name) ?? 0) !== 0,
    scale: fused ? (node.float("alpha") ?? 1) : 1,
  };
}

/** Axes of an operand as [.., tokens, features]. */
function orderOf(letters: string, tokens: string, features: string): Axes {
  const rest = [...letters].filter((letter) => letter !== tokens && letter !== features);
  return [...rest, tokens, features].map((letter) => letters.indexOf(letter));
}

/** The equation of an Einsum whose operands have known ranks. */
export function equationAt({ node, inputs }: Op): Equation | null {
  const ranks = inputs.map((wire) => wire?.value?.type?.shape?.length ?? null);
  if (!ranks.every((rank) => rank !== null)) return null;
  return equationOf(node.string("equation") ?? "", ranks);
}

function einsumLetters(op: Op): { a: string; b: string; result: string } | null {
  const equation = equationAt(op);
  const [a, b] = equation?.terms ?? [];
  return equation && a && b ? { a, b, result: equation.output } : null;
}

export interface Weighted {
  readonly v: Wire;
  readonly y: Wire;
  readonly scale: number;
  readonly axes: Axes;
  /** The axis of `y` that holds a head's features, from the end. */
  readonly features: -1 | -2;
}

/** Of the product of weights and values; `turned` where the weights come as [key, query]. */
export function weightedOf(product: Op, weights: Wire, turned: boolean): Weighted | null {
  const [a, b] = product.inputs as [Wire, Wire];
  const y = product.outputs[0]!;
  if (product.type === "Einsum") {
    const letters = einsumLetters(product);
    if (!letters) return null;
    const [ps, vs] = a === weights ? [letters.a, letters.b] : [letters.b, letters.a];
    const key = ps.at(turned ? -2 : -1)!;
    const features = [...vs].filter((x) => !ps.includes(x) && letters.result.includes(x));
    if (!vs.includes(key) || letters.result.includes(key) || features.length !== 1) return null;
    const v = a === weights ? b : a;
    return { v, y, scale: 1, axes: orderOf(vs, key, features[0]!), features: -1 };
  }
  const { flag, scale } = fusedOf(product);
  if (scale !== 1 || flag(a === weights ? "transBatchA" : "transBatchB")) return null;
  if (a === weights) {
    if (flag("transA") !== turned) return null;
    return { v: b, y, scale: 1, axes: axesAt(product, "B", flag("transB")), features: -1 };
  }
  // y^T = v^T p^T
  if (flag("transB") === turned) return null;
  return { v: a, y, scale: 1, axes: axesAt(product, "A", !flag("transA")), features: -2 };
}
