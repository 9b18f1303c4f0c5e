/** A bias of its own for each projection: exporters store equal vectors once for all their readers. */
import type { Linear } from "../../src/anatomy/anatomy.ts";
import type { Node, Use, Value } from "../../src/ir/graph.ts";
import type { Patch } from "../../src/onnx-ops/patch.ts";
import { storedTensor } from "../../src/onnx-ops/stored.ts";
import { preparesConstants, readersOf } from "../graph/constants.ts";
import { freeName } from "../graph/free-name.ts";
import { type Anatomized, fusedName } from "./projections.ts";

/** Maps that have one bias in common, each its own elements of it. */
interface Owners {
  readonly bias: Value;
  readonly members: { readonly name: string; readonly map: Linear; readonly reads: Reads }[];
}

/** Who reads a bias, and what prepares it for them. */
type Reads = ReadonlyMap<Use, Read>;

interface Read {
  readonly value: Value;
  readonly between: readonly Node[];
}

/**
 * The part with biases that nobody else reads, as it is once the patch is committed: stored vectors
 * that other parts, or other projections of this one, read too are copied. A bias that is no vector,
 * or is read by no node of its projection, stays as it is.
 */
export function withOwnBiases(body: Anatomized, patch: Patch, scope: string): Anatomized {
  const biases = new Map<Linear, Value>();
  for (const { bias, members } of ownersOf(body)) {
    const stored = storedTensor(bias);
    const uses = new Map(members.flatMap(({ reads }) => [...reads]));
    const reads = [...uses.values()];
    if (stored?.shape.length !== 1 || members.some(({ reads }) => reads.size === 0)) continue;
    const passed = nameOfIdentity(bias, reads);
    const mine = new Set([...uses.keys()].map(({ node }) => node));
    if (!passed && readersOf(bias).every((node) => mine.has(node))) continue;
    const name = passed ?? freeName(patch, `${scope}.${roleOf(members)}`);
    const copy = patch.weight(name, stored.dtype, stored.shape, stored.data);
    readInstead(patch, bias, copy, uses);
    for (const { map } of members) biases.set(map, copy);
  }
  const inputs = body.inputs.map(
    ([name, map]) => [name, { ...map, bias: biases.get(map) ?? map.bias }] as const,
  );
  return { ...body, inputs };
}

function roleOf(members: Owners["members"]): string {
  const names = members.map(({ name }) => name);
  return `${names.length > 1 ? fusedName(names) : names[0]!}.bias`;
}

/** Projections are told apart by where they read: one fused sum, or elements that no other has. */
function ownersOf({ inputs }: Anatomized): Owners[] {
  const all: Owners[] = [];
  for (const [name, map] of inputs) {
    const { bias } = map;
    if (!bias) continue;
    const member = { name, map, reads: readsOf(map, bias) };
    const fits = (other: Owners["members"][number]) =>
      [...member.reads.keys()].every((use) => other.reads.has(use)) || apart(map, other.map);
    const known = all.find((owners) => owners.bias === bias && owners.members.every(fits));
    if (known) known.members.push(member);
    else all.push({ bias, members: [member] });
  }
  return all;
}

function apart(a: Linear, b: Linear): boolean {
  const [[from, to], [start, end]] = [a.biasRows, b.biasRows];
  return !a.order && !b.order && (to <= start || end <= from);
}

function readsOf({ nodes }: Linear, bias: Value): Reads {
  const reads = new Map<Use, Read>();
  for (const node of nodes) {
    if (!node.graph || preparesConstants(node)) continue;
    for (const value of node.inputs) {
      const between = value && nodesBetween(bias, value);
      if (!between) continue;
      for (const use of value.uses) if (use.node === node) reads.set(use, { value, between });
    }
  }
  return reads;
}

/** The nodes that make `value` of `bias` and other constants, in order; null where none do. */
function nodesBetween(bias: Value, value: Value): Node[] | null {
  if (value === bias) return [];
  const { producer } = value;
  if (!producer || !preparesConstants(producer)) return null;
  for (const input of producer.inputs) {
    const before = input && nodesBetween(bias, input);
    if (before) return [...before, producer];
  }
  return null;
}

/** What the parameter was called before it was merged; null where more than its Identity says so. */
function nameOfIdentity(bias: Value, reads: readonly Read[]): string | null {
  const [value, ...others] = new Set(reads.map(({ value }) => value));
  if (!value || value === bias || others.length > 0) return null;
  if (!onlyPasses(reads) || value.uses.size > reads.length) return null;
  return value.name;
}

function onlyPasses(reads: readonly Read[]): boolean {
  return reads.every(({ between }) => between.every(({ op }) => op === "Identity"));
}

function readInstead(patch: Patch, bias: Value, copy: Value, uses: Reads): void {
  const reads = [...uses.values()];
  const copies = new Map([[bias, copy]]);
  const passes = onlyPasses(reads);
  if (!passes) patch.clone([...new Set(reads.flatMap(({ between }) => between))], copies);
  for (const [{ node, index }, { value }] of uses) {
    patch.rewire(node, index, passes ? copy : copies.get(value)!);
  }
}
