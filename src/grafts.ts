/** The built-in operators: files of the language, parsed when somebody names what is in them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type * as ast from "../grammar/ast.ts";
import { parse } from "../grammar/index.ts";
import type { OperatorScope } from "./plan/plan.ts";

interface Shelf {
  /** The file that each operator stands in. */
  readonly files: ReadonlyMap<string, string>;
  readonly texts: ReadonlyMap<string, string>;
}

let opened: Shelf | undefined;
const parsed = new Map<string, ast.Operator>();

/** Beside this file, or beside the folder of chunks that the bundler moved it to. */
function folder(): URL {
  const near = new URL("./grafts/", import.meta.url);
  return existsSync(near) ? near : new URL("../grafts/", import.meta.url);
}

function shelf(): Shelf {
  if (opened) return opened;
  const files = new Map<string, string>();
  const texts = new Map<string, string>();
  for (const file of readdirSync(folder()).sort()) {
    const text = readFileSync(new URL(file, folder()), "utf8");
    texts.set(file, text);
    for (const [, name] of text.matchAll(/^operator (\w+)/gm)) files.set(name!, file);
  }
  opened = { files, texts };
  return opened;
}

function load(name: string): ast.Operator | undefined {
  const { files, texts } = shelf();
  const file = files.get(name);
  if (file === undefined || parsed.has(name)) return parsed.get(name);
  const source = { path: file, text: texts.get(file)! };
  const { file: tree, diagnostics } = parse(source);
  if (diagnostics.length > 0) throw new Error(`${file}: ${diagnostics[0]!.message}`);
  for (const statement of tree.statements) {
    if (statement.kind === "operator") parsed.set(statement.name.name, statement);
  }
  return parsed.get(name);
}

/** What every file sees. Helpers are among them; those of a file's own go before them. */
export const builtins: OperatorScope = {
  operators: {
    get: load,
    has: (name) => shelf().files.has(name),
    keys: () => shelf().files.keys(),
  },
  params: new Map(),
  scopeOf: () => builtins,
};
