/** What an operator of ai.onnx takes and gives at an opset: the generated table, parsed on demand. */
import { schemaText } from "./schema-text.ts";

export interface Port {
  readonly name: string;
  /** A type variable of the schema (`T`), or an element type (`int64`). */
  readonly type: string;
  readonly arity: "one" | "optional" | "many";
}

/** i int, f float, s string, t tensor, g graph; capitals are lists of them, x is anything else. */
export type AttributeKind = "i" | "f" | "s" | "t" | "g" | "I" | "F" | "S" | "T" | "G" | "x";

export interface Schema {
  readonly op: string;
  /** The opset this version came with. */
  readonly since: number;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly attributes: ReadonlyMap<string, { kind: AttributeKind; required: boolean }>;
  /** What a type variable allows: f floats, i integers, b bool, s string, q sequences, o others. */
  readonly variables: ReadonlyMap<string, string>;
}

const rows = new Map(
  schemaText
    .trim()
    .split("\n")
    .map((line) => line.split(" = ") as [string, string]),
);
const parsed = new Map<string, readonly (Schema | null)[]>();

/** Whether ai.onnx has, or had, an operator of this name. */
export function isOp(name: string): boolean {
  return rows.has(name);
}

/** Every operator of ai.onnx. */
export function opNames(): readonly string[] {
  return [...rows.keys()];
}

/**
 * The version of an operator that a model of this opset uses.
 * @returns `introduced` where the opset has none: the first opset that does, or null where the
 * operator was withdrawn or never was.
 */
export function schemaOf(
  op: string,
  opset: number,
): { readonly schema: Schema } | { readonly schema: null; readonly introduced: number | null } {
  const versions = versionsOf(op);
  const inForce = versions.findLast(({ since }) => since <= opset);
  if (inForce?.schema) return { schema: inForce.schema };
  return { schema: null, introduced: inForce ? null : (versions[0]?.since ?? null) };
}

function versionsOf(op: string): readonly { since: number; schema: Schema | null }[] {
  const row = rows.get(op);
  if (row === undefined) return [];
  const cells = row.split(" ; ");
  const known = parsed.get(op) ?? cells.map((cell) => parseVersion(op, cell));
  parsed.set(op, known);
  return cells.map((cell, i) => ({ since: Number.parseInt(cell, 10), schema: known[i]! }));
}

function parseVersion(op: string, cell: string): Schema | null {
  const [since, ports, attributes, variables] = cell.split("|");
  if (ports === undefined) return null;
  const [inputs, outputs] = ports.split(">");
  return {
    op,
    since: Number(since),
    inputs: itemsOf(inputs).map(portOf),
    outputs: itemsOf(outputs).map(portOf),
    attributes: new Map(
      itemsOf(attributes).map(([name, kind]) => [
        name.replace("!", ""),
        { kind: kind as AttributeKind, required: name.endsWith("!") },
      ]),
    ),
    variables: new Map(itemsOf(variables)),
  };
}

function itemsOf(text: string | undefined): [string, string][] {
  return text ? text.split(",").map((item) => item.split(" ") as [string, string]) : [];
}

function portOf([name, type]: [string, string]): Port {
  const arity = name.includes("*") ? "many" : name.endsWith("?") ? "optional" : "one";
  return { name: name.replace(/[?*]+$/, ""), type, arity };
}
