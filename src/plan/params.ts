/** Params of a file and `--set name=value`. */
import type * as ast from "../../grammar/ast.ts";
import type { Reporter } from "../diag/diagnostic.ts";
import { evaluate } from "./evaluate.ts";
import type { ArgValue } from "./plan.ts";
import type { Unit } from "./scope.ts";
import { didYouMean, listNames } from "./suggestions.ts";

/** `--set name=value`, each name once, values as typed. */
export type Settings = ReadonlyMap<string, string>;

/**
 * Fills in `unit.params`: in the order written, each may use those before it. A setting counts in
 * every one of these files that declares the param; one that none declares is an error.
 */
export function evaluateParams(
  units: readonly Unit[],
  settings: Settings,
  reporter: Reporter,
): void {
  const declared = new Set<string>();
  for (const unit of units) {
    for (const statement of unit.file.statements) {
      if (statement.kind !== "param") continue;
      declared.add(statement.name.name);
      reporter.attempt(() => {
        const value = evaluate(statement.value, { values: unit.params });
        const text = settings.get(statement.name.name);
        const set = text === undefined ? value : parseSetting(statement, text, value, reporter);
        unit.params.set(statement.name.name, set);
      });
    }
  }
  for (const name of settings.keys()) {
    if (declared.has(name)) continue;
    const params = declared.size ? `params are ${listNames(declared)}` : "the files have no params";
    const hint = didYouMean(name, declared);
    reporter.report("unknown-setting", { name }, { notes: hint ? [hint, params] : [params] });
  }
}

const numeral = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?([kMG%]?)$/;
const scales: Readonly<Record<string, number>> = { k: 1e3, M: 1e6, G: 1e9, "": 1 };

/** The value of a setting has the type of the value that the file gives. */
function parseSetting(
  param: ast.Param,
  text: string,
  normal: ArgValue,
  reporter: Reporter,
): ArgValue {
  const wanted = typeof normal;
  if (wanted === "string") return /^".*"$/.test(text) ? text.slice(1, -1) : text;
  if (wanted === "boolean" && (text === "true" || text === "false")) return text === "true";
  const match = numeral.exec(text);
  if (wanted === "number" && match) {
    const suffix = match[3]!;
    const value = Number(text.slice(0, text.length - suffix.length));
    return suffix === "%" ? value / 100 : value * scales[suffix]!;
  }
  const kind = wanted === "boolean" ? "true or false" : "a number";
  reporter.report(
    "wrong-setting",
    { name: param.name.name, text, wanted: kind },
    {
      at: param.span,
    },
  );
  return normal;
}
