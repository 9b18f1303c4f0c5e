import { nearest } from "../diag/suggest.ts";

/** The hint for a name that is not known; null where nothing known is near it. */
export function didYouMean(name: string, candidates: Iterable<string>): string | null {
  const near = nearest(name, [...candidates]);
  return near === undefined ? null : `did you mean \`${near}\`?`;
}

/** `a`, `b` and `c`, in code marks. */
export function listNames(names: Iterable<string>): string {
  const marked = [...names].map((name) => `\`${name}\``);
  if (marked.length < 2) return marked.join("");
  return `${marked.slice(0, -1).join(", ")} and ${marked.at(-1)}`;
}
