/** Names of sizes as files have them: any text, which may look like arithmetic and be none. */
import type { Dim, TensorType } from "../../src/ir/types.ts";
import { dimOf, termsOf } from "../../src/onnx-ops/dims.ts";
import { namesIn } from "./symbols.ts";

/**
 * How to call the sizes of these types. Arithmetic stays what it says where its names can be told
 * from it: a multiple, `2*height`, or what is made of names that the types have by themselves, as
 * `past + 1` beside `past`. Else it is a name like any other, and has to look like one: `past_1`.
 */
export function namerOf(types: Iterable<TensorType>): (dim: Dim) => Dim {
  const given = new Set<string>();
  for (const { shape } of types) {
    for (const dim of shape ?? []) if (typeof dim === "string") given.add(dim);
  }
  const isTold = (text: string) => {
    const within = namesIn(text);
    return within.length > 0 && within.every((name) => given.has(name) && isMultiple(name));
  };
  const names = new Map<string, string>();
  for (const text of given) {
    if (isMultiple(text) || isTold(text)) continue;
    names.set(text, freshName(text, new Set([...given, ...names.values()])));
  }
  return (dim) => (typeof dim === "string" ? (names.get(dim) ?? dim) : dim);
}

/** A name, so many times: what arithmetic on sizes writes as it is. */
function isMultiple(text: string): boolean {
  const [term, ...more] = termsOf(text);
  const single = more.length === 0 && term?.atoms.length === 1 && term.factor > 0;
  return single && dimOf([term]) === text && isBalanced(text);
}

function isBalanced(text: string): boolean {
  let depth = 0;
  for (const sign of text) {
    if (sign === "(") depth++;
    if (sign === ")" && --depth < 0) return false;
  }
  return depth === 0;
}

function freshName(text: string, taken: ReadonlySet<string>): string {
  const base = `_${text}`.replace(/[^\w.?]+/g, "_").replace(/^_(?=[A-Za-z])/, "");
  for (let i = 1; ; i++) {
    const name = i === 1 ? base : `${base}_${i}`;
    if (!taken.has(name)) return name;
  }
}
