import { parse } from "../../grammar/index.ts";
import type { SourceText } from "../../src/diag/span.ts";

export const sourceOf = (text: string): SourceText => ({ path: "test.graft", text });

/** A tree as plain data, without its spans. */
export function bare(tree: unknown): unknown {
  return JSON.parse(JSON.stringify(tree, (key, value) => (key === "span" ? undefined : value)));
}

/** The statements of a text that has no errors, without spans. */
export function statementsOf(text: string): unknown[] {
  const { file, diagnostics } = parse(sourceOf(text));
  if (diagnostics.length > 0) {
    const errors = diagnostics.map((d) => `${d.message} at ${d.at?.start}`).join("; ");
    throw new Error(`${errors} in\n${text}`);
  }
  return bare(file.statements) as unknown[];
}

/** The tree of an expression, without spans. */
export function expressionOf(text: string): unknown {
  const [param] = statementsOf(`param p = ${text}`) as [{ value: unknown }];
  return param.value;
}
