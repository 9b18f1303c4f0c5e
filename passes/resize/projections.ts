/** The projections of a part as marked tensors: where each unit's rows and columns lie. */
import type { AttentionHost, Linear, MlpHost } from "../../src/anatomy/anatomy.ts";
import type { Value } from "../../src/ir/graph.ts";
import { dtypes } from "../../src/ir/types.ts";
import { storedTensor } from "../../src/onnx-ops/stored.ts";
import type { Mark, MarkedTensor } from "./marks.ts";

/** A part's units and the linear maps that make and read them. */
export interface Anatomized {
  readonly units: number;
  readonly noun: string;
  readonly inputs: readonly (readonly [name: string, map: Linear])[];
  readonly outputs: readonly (readonly [name: string, map: Linear])[];
}

/** A marked tensor of a projection. */
export interface Seed extends MarkedTensor {
  readonly kind: "in" | "bias" | "out";
}

export function anatomyOf(host: MlpHost | AttentionHost): Anatomized {
  if (host.kind === "mlp") {
    const gate = host.gate ? [["gate", host.gate] as const] : [];
    return {
      units: host.hidden,
      noun: "hidden units",
      inputs: [...gate, ["fc1", host.fc1]],
      outputs: [["fc2", host.fc2]],
    };
  }
  const { q, k, v, out, joint } = host;
  const named = (prefix: string, maps: Record<string, Linear | null>) =>
    Object.entries(maps).flatMap(([name, map]) =>
      map ? [[`${prefix}${name}`, map] as const] : [],
    );
  return {
    units: host.heads,
    noun: "heads",
    inputs: once([
      ...named("", { q, k, v }),
      ...(joint ? named("context_", { q: joint.q, k: joint.k, v: joint.v }) : []),
    ]),
    outputs: once([...named("", { out }), ...(joint ? named("context_", { out: joint.out }) : [])]),
  };
}

/** Streams that are joined before they are projected have their projections in common. */
function once(maps: readonly Named[]): Named[] {
  return maps.filter(([, map], i) => !maps.slice(0, i).some(([, other]) => sameRows(map, other)));
}

/** The rows of one unit after the other, as Megatron lays them, have one range and an order each. */
function sameRows(a: Linear, b: Linear): boolean {
  const sameRange = a.rows[0] === b.rows[0] && a.rows[1] === b.rows[1];
  return a.weight === b.weight && sameRange && a.order?.join() === b.order?.join();
}

/** @throws what `refuse` makes of the reason why a projection cannot be cut. */
export function seedsOf(
  { units, inputs, outputs }: Anatomized,
  refuse: (reason: string) => Error,
): Seed[] {
  const seeds: Seed[] = [];
  for (const group of grouped(inputs, (map) => map.weight)) {
    const [role, map] = group[0]!;
    checkWeight(map.weight, role, refuse);
    const rows = runsOf(
      group.map(([, each]) => [each, each.rows] as const),
      map.weight,
      axisOf(map, "out"),
      units,
    );
    if (!rows) throw refuse(`the rows of ${map.weight.name} are not ordered by unit`);
    const name = group.length > 1 ? fusedName(group.map(([each]) => each)) : role;
    seeds.push({
      value: map.weight,
      mark: rows,
      filler: "random",
      kind: "in",
      role: `${name}.weight`,
      fanIn: map.in,
    });
  }
  for (const group of grouped(inputs, (map) => map.bias)) {
    const [role, { bias, in: fanIn }] = group[0]!;
    const last = (bias!.type?.shape ?? storedTensor(bias!)?.shape ?? [0]).length - 1;
    const rows = runsOf(
      group.map(([, each]) => [each, each.biasRows] as const),
      bias!,
      last,
      units,
    );
    if (!rows) throw refuse(`the elements of ${bias!.name} are not ordered by unit`);
    const name = group.length > 1 ? fusedName(group.map(([each]) => each)) : role;
    seeds.push({
      value: bias!,
      mark: rows,
      filler: "random",
      kind: "bias",
      role: `${name}.bias`,
      fanIn,
    });
  }
  for (const [role, map] of outputs) {
    checkWeight(map.weight, role, refuse);
    if (map.rows[1] - map.rows[0] !== storedTensor(map.weight)!.shape[axisOf(map, "out")]) {
      throw refuse(`${map.weight.name} is fused with another projection`);
    }
    const mark: Mark = { axis: axisOf(map, "in"), outer: 1, inner: map.in / units };
    if (!Number.isInteger(mark.inner)) throw refuse(`${map.weight.name} does not divide by unit`);
    seeds.push({
      value: map.weight,
      mark,
      filler: "zero",
      kind: "out",
      role: `${role}.weight`,
      fanIn: map.in,
    });
  }
  if (new Set(seeds.map((seed) => seed.value)).size < seeds.length) {
    throw refuse("one weight serves in several of its projections");
  }
  return seeds;
}

function axisOf(map: Linear, side: "in" | "out"): number {
  return (map.layout === "in,out") === (side === "in") ? 0 : 1;
}

export function fusedName(names: readonly string[]): string {
  return names.map((name) => name.replace(/^context_/, "")).join("_");
}

type Named = readonly [string, Linear];

function grouped(maps: readonly Named[], key: (map: Linear) => Value | null): Named[][] {
  const groups = new Map<Value, Named[]>();
  for (const named of maps) {
    const value = key(named[1]);
    if (value) groups.set(value, [...(groups.get(value) ?? []), named]);
  }
  return [...groups.values()];
}

function checkWeight(weight: Value, role: string, refuse: (reason: string) => Error): void {
  const tensor = storedTensor(weight);
  if (!tensor) throw refuse(`the weight of ${role} is computed by other nodes`);
  if (!dtypes[tensor.dtype].float)
    throw refuse(`the weight of ${role} is quantised (${tensor.dtype})`);
  if (tensor.shape.length !== 2) throw refuse(`the weight of ${role} is no matrix`);
}

/**
 * The units in the rows of a tensor that several maps share: maps one behind the other, each with its
 * units in order, or units one behind the other, each with its rows of all maps.
 */
function runsOf(
  owners: readonly (readonly [Linear, readonly [start: number, end: number]])[],
  value: Value,
  axis: number,
  units: number,
): Mark | null {
  const total = storedTensor(value)?.shape[axis];
  const inner = owners[0]![0].out / units;
  const even = owners.every(([map]) => map.out === owners[0]![0].out);
  if (!even || !Number.isInteger(inner) || total !== owners.length * units * inner) return null;
  if (owners.every(([map]) => !map.order)) {
    const starts = owners.map(([, [start]]) => start).sort((a, b) => a - b);
    const apart = starts.every((start, i) => start === i * units * inner);
    return apart ? { axis, outer: owners.length, inner } : null;
  }
  const run = owners.length * inner;
  const ordered = owners.every(([map]) =>
    map.order?.every((row, feature) => Math.floor(row / run) === Math.floor(feature / inner)),
  );
  return ordered ? { axis, outer: 1, inner: run } : null;
}
