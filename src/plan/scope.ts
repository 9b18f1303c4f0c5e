/** Which operator a name means in a file. */
import type * as ast from "../../grammar/ast.ts";
import type { Reporter } from "../diag/diagnostic.ts";
import type { SourceText } from "../diag/span.ts";
import { reservedNames } from "./evaluate.ts";
import { formalTypes } from "./formal-types.ts";
import type { ArgValue, OperatorScope } from "./plan.ts";
import { didYouMean, listNames } from "./suggestions.ts";

/** One file of edits and the files that it uses. */
export interface Unit {
  /** Normalised: what tells files apart. */
  readonly path: string;
  readonly source: SourceText;
  /** Its sound statements. */
  readonly file: ast.File;
  /** It has others too. */
  readonly broken: boolean;
  readonly uses: Map<ast.Use, Unit>;
  scope: OperatorScope | null;
  readonly params: Map<string, ArgValue>;
}

type Definition = ast.Operator | ast.Rewrite | ast.Param;

function definitionsOf(unit: Unit): Definition[] {
  return unit.file.statements.filter(
    (s): s is Definition => s.kind === "operator" || s.kind === "rewrite" || s.kind === "param",
  );
}

/** The unit and whatever it uses, directly or not; each once. */
function reach(unit: Unit): Set<Unit> {
  const found = new Set([unit]);
  for (const each of found) for (const used of each.uses.values()) found.add(used);
  return found;
}

/**
 * Fills in `unit.scope`. A name is free for one definition in a file and all that it uses; params
 * count in their own file alone. Built-in operators have their names for themselves; the helpers
 * of the built-in files do not.
 */
export function scopeOfUnit(unit: Unit, builtins: OperatorScope, reporter: Reporter): void {
  const defined = new Map<string, Definition>();
  const operators = new Map<string, ast.Operator>();
  const owner = new Map<ast.Operator, Unit>();
  for (const each of reach(unit)) {
    for (const definition of definitionsOf(each)) {
      if (definition.kind === "param" && each !== unit) continue;
      if (isTaken(definition, defined, builtins, each === unit, reporter)) continue;
      defined.set(definition.name.name, definition);
      if (definition.kind !== "operator") continue;
      if (each === unit) checkFormals(definition, reporter);
      operators.set(definition.name.name, definition);
      owner.set(definition, each);
    }
  }
  unit.scope = {
    operators: {
      get: (name) => operators.get(name) ?? builtins.operators.get(name),
      has: (name) => operators.has(name) || builtins.operators.has(name),
      keys: () => new Set([...operators.keys(), ...builtins.operators.keys()]).values(),
    },
    params: unit.params,
    scopeOf: (operator) => owner.get(operator)?.scope ?? builtins.scopeOf(operator),
  };
}

function checkFormals({ params }: ast.Operator, reporter: Reporter): void {
  for (const { name, type } of params) {
    if (reservedNames.has(name.name)) {
      reporter.report("reserved-name", { name: name.name }, { at: name.span });
    }
    if (formalTypes.includes(type.name)) continue;
    const hint = didYouMean(type.name, formalTypes);
    const notes = [`types are ${listNames(formalTypes)}`];
    reporter.report("unknown-type", { type: type.name }, { at: type.span, hint, notes });
  }
}

function isTaken(
  definition: Definition,
  defined: ReadonlyMap<string, Definition>,
  builtins: OperatorScope,
  own: boolean,
  reporter: Reporter,
): boolean {
  const { name, span } = definition.name;
  const first = defined.get(name);
  if (first) {
    // Every file that reaches both would say so again.
    const said = reporter.diagnostics.some((d) => d.code === "defined-twice" && d.at === span);
    const related = [{ at: first.name.span, text: "first defined here" }];
    if (!said) reporter.report("defined-twice", { name }, { at: span, related });
    return true;
  }
  if (!own) return false;
  if (reservedNames.has(name)) {
    reporter.report("reserved-name", { name }, { at: span });
    return true;
  }
  if (definition.kind === "operator" && builtins.operators.get(name)?.place) {
    const notes = [`a built-in operator is called \`${name}\``];
    reporter.report("defined-twice", { name }, { at: span, hint: "choose another name", notes });
    return true;
  }
  return false;
}
