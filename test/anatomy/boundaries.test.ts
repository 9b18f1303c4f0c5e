/** Parts and blocks begin and end where language.md says, and are closed: edits rely on it. */
import { expect, test } from "vitest";
import type { Block, Part } from "../../src/anatomy/anatomy.ts";
import { anatomize } from "../../src/anatomy/index.ts";
import type { Model, Node, Value } from "../../src/ir/graph.ts";
import { comesApart } from "../../src/onnx-ops/skip-norms.ts";
import { editModel } from "../passes/workbench.ts";
import { fixtureNames, open, zooNames } from "./models.ts";

/** Values that nodes hand to others outside, but for their sizes. */
function leaksOf(
  nodes: ReadonlySet<Node>,
  allowed: readonly (Value | null)[],
  model: Model,
): string[] {
  const outputs = new Set(model.graph.outputs);
  const leaks: string[] = [];
  for (const node of nodes) {
    for (const value of node.outputs) {
      if (!value || allowed.includes(value) || outputs.has(value)) continue;
      const readers = [...value.uses].filter((use) => !nodes.has(use.node) && !onlySizes(use.node));
      if (readers.length > 0) leaks.push(`${value.name} to ${readers[0]!.node.opType}`);
    }
  }
  return leaks;
}

/** Whether a node's result depends on the shape of what it reads alone, or on nothing at all. */
function onlySizes(node: Node): boolean {
  if (node.opType === "Shape" || node.opType === "Size") return true;
  const readers = node.outputs.flatMap((value) => (value ? [...value.uses] : []));
  return readers.every((use) => onlySizes(use.node));
}

/** But norms that are fused with a sum. */
function partsOf(block: Block): Part[] {
  return [...block.parts.values()].filter(({ nodes }) => ![...nodes].some(comesApart));
}

test.each([...fixtureNames, ...zooNames])("parts of %s are closed", async (name) => {
  const model = await open(name);
  const dead = name === "dit-dynamo21-dead";
  for (const stack of anatomize(model).stacks) {
    for (const block of stack.blocks) {
      const label = `${stack.name}[${block.index}]`;
      if (!block.opaque && block.fused.size === 0 && !dead) {
        const ends = [block.output, block.context?.output ?? null];
        expect(leaksOf(block.nodes, ends, model), label).toEqual([]);
      }
      const seen = new Set<Node>();
      for (const part of partsOf(block)) {
        const at = `${label}.${part.name}`;
        expect(leaksOf(part.nodes, part.outputs, model), at).toEqual([]);
        for (const output of part.outputs) expect(part.nodes, at).toContain(output.producer);
        if (part.x.producer) expect(part.nodes, at).not.toContain(part.x.producer);
        for (const node of part.nodes) {
          expect(block.nodes, at).toContain(node);
          expect(seen, at).not.toContain(node);
          seen.add(node);
        }
      }
    }
  }
});

test.each([
  "dit-ts17-ortopt",
  "gpt2-nomask-ts17-ortopt",
  "llama-ts17-ortopt",
  "vit-rect-ts17-ortopt",
])("blocks of %s are closed where they have come apart from their neighbours", async (name) => {
  const { model } = await editModel(await open(name), "repeat blocks[all] times 1");
  for (const { index, nodes, fused, output } of anatomize(model).stacks[0]!.blocks) {
    expect([...fused], `blocks[${index}]`).toEqual([]);
    expect(leaksOf(nodes, [output], model), `blocks[${index}]`).toEqual([]);
  }
});

test("attention and MLP of a DiT lie between modulation and gate", async () => {
  const { stacks } = anatomize(await open("dit-tiny-dynamo20"));
  for (const block of stacks[0]!.blocks) {
    for (const [part, norm] of [
      ["attn", "norm1"],
      ["mlp", "norm2"],
    ] as const) {
      const { x, outputs, nodes } = block.parts.get(part)!;
      // shift + scale * norm(stream), then the part, then gate * y, then stream + .
      expect(x.producer!.opType).toBe("Add");
      const scaled = x.producer!.inputs.find((value) => value?.producer?.opType === "Mul");
      expect(scaled!.producer!.inputs).toContain(block.parts.get(norm)!.outputs[0]);
      const [gate, ...more] = [...outputs[0]!.uses].map((use) => use.node);
      expect(more).toEqual([]);
      expect(gate!.opType).toBe("Mul");
      expect([...gate!.outputs[0]!.uses].map((use) => use.node.opType)).toEqual(["Add"]);
      const products = [...nodes].filter((node) => node.opType === "MatMul");
      expect(products.length).toBe(part === "attn" ? 4 : 2);
    }
    const modulation = [...block.nodes].filter((node) => node.opType === "Gemm");
    expect(modulation.map((node) => node.inputs[1]!.name)).toEqual([
      `blocks.${block.index}.adaLN_modulation.1.weight`,
    ]);
  }
});

test("blocks follow one another on the stream", async () => {
  for (const name of ["dit-tiny-ts17-slim", "pixart-ts17", "vit-dynamo20", "hunyuandit-dynamo20"]) {
    const { blocks } = anatomize(await open(name)).stacks[0]!;
    for (const [i, block] of blocks.slice(1).entries()) expect(block.input).toBe(blocks[i]!.output);
  }
});

test("what PixArt's blocks share is in none of them", async () => {
  const { stacks } = anatomize(await open("pixart-dynamo20"));
  const owners = new Map<Node, number>();
  for (const block of stacks[0]!.blocks) {
    for (const node of block.nodes) owners.set(node, (owners.get(node) ?? 0) + 1);
    const cross = block.parts.get("cross_attn")!;
    expect(cross.context!.name).not.toBe(cross.x.name);
    // The residual stream itself makes the queries: no norm stands before this branch.
    expect(cross.x.producer!.opType).toBe("Add");
    const after = [...cross.outputs[0]!.uses].map((use) => use.node);
    expect(after.map((node) => node.opType)).toEqual(["Add"]);
  }
  expect(Math.max(...owners.values())).toBe(1);
  const mask = stacks[0]!.blocks[0]!.parts.get("cross_attn")!.host;
  const producer = mask.kind === "attention" ? mask.masks[0]!.value.producer : null;
  expect(producer && owners.has(producer)).toBe(false);
});
