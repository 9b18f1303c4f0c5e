/** Numbers for symbolic sizes. */
import type { Dim } from "../ir/types.ts";

/**
 * The value of a size, where its names have one. Understands what dims.ts and the exporters write:
 * names, whole numbers, `+ - * /` (quotients round down), parentheses, ceil() and floor().
 * @returns undefined where a name has no value or the text is something else.
 */
export function evaluateDim(
  dim: Dim,
  sizeOf: (name: string) => number | undefined,
): number | undefined {
  if (dim === null || typeof dim === "number") return dim ?? undefined;
  const whole = sizeOf(dim);
  if (whole !== undefined) return whole;
  const tokens = dim.match(/[A-Za-z_?.][\w.?]*|\d+|\/\/|[-+*/()]|\S/g) ?? [];
  let at = 0;
  const unknown = Number.NaN;

  const atom = (): number => {
    const token = tokens[at++];
    if (token === undefined) return unknown;
    if (/^\d/.test(token)) return Number(token);
    if (token === "(") return closing(sum());
    if (tokens[at] === "(" && (token === "ceil" || token === "floor")) {
      at++;
      return closing(sum(Math[token]));
    }
    return sizeOf(token) ?? unknown;
  };
  const closing = (value: number) => (tokens[at++] === ")" ? value : unknown);
  const product = (round: (x: number) => number): number => {
    if (tokens[at] === "-") {
      at++;
      return -product(round); // `-N/2` is N/2, rounded down, taken away
    }
    let value = atom();
    for (; tokens[at] === "*" || tokens[at]?.startsWith("/"); ) {
      value = tokens[at++] === "*" ? value * atom() : round(value / atom());
    }
    return value;
  };
  const sum = (round: (x: number) => number = Math.floor): number => {
    let value = product(round);
    for (; tokens[at] === "+" || tokens[at] === "-"; ) {
      value += tokens[at++] === "+" ? product(round) : -product(round);
    }
    return value;
  };

  const value = sum();
  return at === tokens.length && Number.isFinite(value) ? value : undefined;
}
