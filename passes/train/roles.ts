/** Which inputs of a denoising model are its sample, its time and its condition. */
import type { Graph, Node, Value } from "../../src/ir/graph.ts";
import { dtypes } from "../../src/ir/types.ts";
import { storedBehind } from "../graph/constants.ts";

export interface Roles {
  readonly sample: Value | null;
  readonly time: Value | null;
  readonly condition: Value | null;
  /** Rows of the table that the condition picks from; null where it is no label. */
  readonly classes: number | null;
  /** Of inputs that pick rows of tables: how many there are. */
  readonly rows: ReadonlyMap<Value, number>;
}

/** @param said names of inputs by role, which win over what is found. */
export function rolesOf({ inputs, outputs }: Graph, said: ReadonlyMap<string, string>): Roles {
  const every = inputs.filter((value) => !value.initializer);
  const named = (role: string) => every.find((value) => value.name === said.get(role)) ?? null;
  const taken = new Set(said.values());
  const open = every.filter((value) => !taken.has(value.name));
  const time = named("time") ?? open.find((value) => isBatch(value) && reachesWaves(value)) ?? null;
  const tables = new Map(every.map((value) => [value, tableOf(value)]));
  const condition =
    named("condition") ??
    (time && (open.find((value) => value !== time && isBatch(value) && tables.get(value)) ?? null));
  const sample =
    named("sample") ??
    open.find((value) => value !== time && isFloat(value) && isLike(value, outputs[0])) ??
    null;
  const rows = new Map(
    [...tables].flatMap(([value, table]) => {
      const count = table?.initializer?.shape[0];
      return count === undefined ? [] : [[value, count] as const];
    }),
  );
  const classes = condition ? (rows.get(condition) ?? null) : null;
  return { sample, time, condition, classes, rows };
}

function isFloat(value: Value): boolean {
  return value.type !== null && dtypes[value.type.dtype].float;
}

/** One number a sample. */
function isBatch(value: Value): boolean {
  const shape = value.type?.shape;
  return shape?.length === 1 || (shape?.length === 2 && shape[1] === 1);
}

/** An output of its shape, or with twice its channels (a learned variance). */
function isLike(value: Value, output: Value | undefined): boolean {
  const [a, b] = [value.type?.shape, output?.type?.shape];
  if (!a || !b || a.length < 3 || a.length !== b.length) return false;
  return a.every((dim, axis) => {
    const other = b[axis];
    if (typeof dim !== "number" || typeof other !== "number") return true;
    return dim === other || (axis === 1 && other === 2 * dim);
  });
}

/** What a number goes through before its sine and cosine are taken, or before it picks a row. */
const carriers = /^(Cast|Unsqueeze|Squeeze|Reshape|Mul|Div|Expand|Concat|Identity|Einsum|Flatten)$/;

function reachesWaves(value: Value): boolean {
  return some(value, (node) => node.op === "Sin" || node.op === "Cos");
}

/** The table of an embedding that these indices pick from. */
function tableOf(value: Value): Value | null {
  let table: Value | null = null;
  some(value, (node, read) => {
    if (node.op !== "Gather" || node.inputs[1] !== read) return false;
    const stored = node.inputs[0] ? storedBehind(node.inputs[0]) : null;
    if (stored?.initializer?.shape.length === 2 && isFloat(stored)) table = stored;
    return table !== null;
  });
  return table;
}

function some(from: Value, holds: (node: Node, read: Value) => boolean): boolean {
  const seen = new Set<Value>();
  const open = [from];
  for (let value = open.pop(); value; value = open.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    for (const { node } of value.uses) {
      if (holds(node, value)) return true;
      if (carriers.test(node.op)) open.push(...node.outputs.filter((output) => output !== null));
    }
  }
  return false;
}
