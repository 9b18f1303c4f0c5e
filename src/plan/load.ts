/** From the paths of EDITS to one program: files, what they use, their params and operators. */
import { dirname, isAbsolute, join, normalize } from "node:path";
import type * as ast from "../../grammar/ast.ts";
import { type Diagnostic, Reporter } from "../diag/diagnostic.ts";
import type { SourceText, Span } from "../diag/span.ts";
import { evaluateParams, type Settings } from "./params.ts";
import type { OperatorScope } from "./plan.ts";
import { scopeOfUnit, type Unit } from "./scope.ts";
import { followsFrom, soundOnes } from "./sound.ts";

/** What loading asks of the world. */
export interface LoadHost {
  /** @throws Error in words for people when there is no such text. */
  readText(path: string): string;
  parse(source: SourceText): { file: ast.File; diagnostics: readonly Diagnostic[] };
  /** The built-in operators. */
  readonly builtins: OperatorScope;
}

/** A statement and what the names in it mean. */
export interface Step<S extends ast.Statement = ast.Statement> {
  readonly statement: S;
  readonly scope: OperatorScope;
}

export interface Program {
  /** Every text read, in the order of reading. */
  readonly sources: readonly SourceText[];
  /** `--set` as given, for the model's metadata. */
  readonly settings: Settings;
  readonly edits: readonly Step<ast.Edit>[];
  /** Of used files too, where `use` stands. */
  readonly rewrites: readonly Step<ast.Rewrite>[];
  readonly expects: readonly Step<ast.Expect>[];
  readonly ensures: readonly Step<ast.Ensure>[];
  readonly recipes: readonly Step<ast.Recipe>[];
  /** Those that the files and what they use define. */
  readonly operators: readonly Step<ast.Operator>[];
}

const usable: ReadonlySet<string> = new Set(["use", "param", "operator", "rewrite"]);

export interface Loaded {
  /** null where any of it is an error. */
  readonly program: Program | null;
  /** What there is of it even so: for further checks, never to be planned. */
  readonly sound: Program;
  /** Whether a mistake in `sound` may be none but for those that were found already. */
  readonly follows: (diagnostic: Diagnostic) => boolean;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads and checks the files: syntax, `use`, names, params. Several mistakes in one run. */
export function loadProgram(paths: readonly string[], settings: Settings, host: LoadHost): Loaded {
  const reporter = new Reporter();
  const units = new Map<string, Unit>();
  const all = paths.map((path) => readUnit(path, null, [], { host, reporter, units }));
  const roots = all.filter((unit) => unit !== null);
  const read = reporter.diagnostics.length;
  for (const root of new Set(roots)) checkUsed(root, reporter);
  for (const unit of units.values()) scopeOfUnit(unit, host.builtins, reporter);
  evaluateParams([...new Set(roots)], settings, reporter);
  const used = [...units.values()].filter((unit) => !roots.includes(unit));
  evaluateParams(used, new Map(), reporter);
  const follows = followsFrom(units.values());
  const causes = reporter.diagnostics.filter((each, i) => i < read || !follows(each));
  // Params that are made of each other follow from nothing else.
  const found = reporter.failed && !causes.some(isError) ? reporter.diagnostics : causes;
  const sound = programOf(roots, units, settings);
  return { program: reporter.failed ? null : sound, sound, follows, diagnostics: found };
}

function isError({ severity }: Diagnostic): boolean {
  return severity === "error";
}

function programOf(
  roots: readonly Unit[],
  units: ReadonlyMap<string, Unit>,
  settings: Settings,
): Program {
  const steps = stepsOf(roots);
  return {
    sources: [...units.values()].map((unit) => unit.source),
    settings,
    edits: steps.filter((step): step is Step<ast.Edit> => editKinds.has(step.statement.kind)),
    rewrites: ofKind(steps, "rewrite"),
    expects: ofKind(steps, "expect"),
    ensures: ofKind(steps, "ensure"),
    recipes: ofKind(steps, "recipe"),
    operators: ofKind(steps, "operator"),
  };
}

const editKinds: ReadonlySet<string> = new Set([
  "replace",
  "resize",
  "parallelize",
  "remove",
  "repeat",
]);

function ofKind<K extends ast.Statement["kind"]>(steps: readonly Step[], kind: K) {
  return steps.filter((step) => step.statement.kind === kind) as Step<
    Extract<ast.Statement, { kind: K }>
  >[];
}

interface Reading {
  readonly host: LoadHost;
  readonly reporter: Reporter;
  readonly units: Map<string, Unit>;
}

/** @param chain the files whose `use` led here, the first one first. */
function readUnit(
  path: string,
  at: Span | null,
  chain: readonly string[],
  reading: Reading,
): Unit | null {
  const { host, reporter, units } = reading;
  const key = normalize(path);
  if (chain.includes(key)) {
    const circle = [...chain.slice(chain.indexOf(key)), key];
    reporter.report("use-cycle", { chain: circle.join(" uses ") }, { at });
    return null;
  }
  const known = units.get(key);
  if (known) return known;
  let text: string;
  try {
    text = host.readText(path);
  } catch (cause) {
    reporter.report("unreadable-edits", { path, reason: reasonOf(cause) }, { at });
    return null;
  }
  const source: SourceText = { path, text };
  const { file, diagnostics } = host.parse(source);
  reporter.diagnostics.push(...diagnostics);
  const unit: Unit = {
    path: key,
    source,
    file: soundOnes(file, diagnostics),
    broken: diagnostics.length > 0,
    uses: new Map(),
    scope: null,
    params: new Map(),
  };
  units.set(key, unit);
  for (const statement of unit.file.statements) {
    if (statement.kind !== "use") continue;
    const { value, span } = statement.path;
    const target = isAbsolute(value) ? value : join(dirname(path), value);
    const used = readUnit(target, span, [...chain, key], reading);
    if (used) unit.uses.set(statement, used);
  }
  return unit;
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a folder";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  return cause instanceof Error ? cause.message : String(cause);
}

/** Whatever else stands in a used file would be dropped without a word. */
function checkUsed(root: Unit, reporter: Reporter): void {
  const seen = new Set<Unit>([root]);
  const visit = (unit: Unit) => {
    for (const [use, used] of unit.uses) {
      if (seen.has(used)) continue;
      seen.add(used);
      for (const { kind, span } of used.file.statements) {
        if (usable.has(kind)) continue;
        reporter.report(
          "edit-in-used-file",
          { path: used.source.path, keyword: wordOf(span) },
          {
            at: span,
            notes: [`${used.source.path} is used by ${use.span.source.path}`],
          },
        );
      }
      visit(used);
    }
  };
  visit(root);
}

function wordOf(span: Span): string {
  return /^\w*/.exec(span.source.text.slice(span.start, span.end))![0];
}

/** Statements in the order they take effect: rewrites of a used file where it is first used. */
function stepsOf(roots: readonly Unit[]): Step[] {
  const done = new Set<Unit>();
  const visit = (unit: Unit, root: boolean): Step[] => {
    if (!root && done.has(unit)) return [];
    done.add(unit);
    return unit.file.statements.flatMap((statement): Step[] => {
      const used = statement.kind === "use" ? unit.uses.get(statement) : undefined;
      return used ? visit(used, false) : [{ statement, scope: unit.scope! }];
    });
  };
  return roots.flatMap((root) => visit(root, true));
}
