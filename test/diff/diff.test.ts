import { beforeAll, describe, expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import { type Diff, diffModels } from "../../src/diff/index.ts";
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import { renameValue } from "../../src/ir/edit.ts";
import type { Model, Node } from "../../src/ir/graph.ts";
import { readModel } from "../../src/onnx/index.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";

import { editModel } from "../passes/workbench.ts";

const read = (name: string) => readModel(`test/fixtures/models/${name}.onnx`);

function diff(a: Model, b: Model): Diff {
  return diffModels(a, b, [anatomize(a), anatomize(b)]);
}

const same = { same: true, groups: [] };
const nothing = { added: [], removed: [], changed: [], edit: null };

/** Lists of items as their texts. */
function shown({ groups }: Diff) {
  const texts = (items: readonly { readonly text: string }[]) => items.map(({ text }) => text);
  return groups.map(({ where, added, removed, changed, edit }) => ({
    where,
    added: texts(added),
    removed: texts(removed),
    changed: texts(changed),
    edit,
  }));
}

let a: Model;
let b: Model;
beforeAll(async () => {
  a = await read("dit-tiny-dynamo20");
});

function edited(change: (patch: Patch, model: Model) => void): Promise<Model> {
  return read("dit-tiny-dynamo20").then((model) => {
    const patch = new Patch(model.graph, null, "");
    change(patch, model);
    patch.commit();
    return model;
  });
}

describe("the same", () => {
  test("is a model and itself", async () => {
    expect(diff(a, await read("dit-tiny-dynamo20"))).toEqual(same);
  });

  test("is a model with weights in another file", async () => {
    expect(diff(a, await read("dit-tiny-external"))).toEqual(same);
  });

  test("is a model whose names are all others", async () => {
    b = await read("dit-tiny-dynamo20");
    const ports = new Set([...b.graph.inputs, ...b.graph.outputs]);
    const values = [...b.graph.values.values()].filter((value) => !ports.has(value));
    values.forEach((value, i) => {
      renameValue(b.graph, value, `v${i}`);
    });
    b.graph.nodes.forEach((node, i) => {
      node.name = `n${(i * 7) % 295}`;
      node.metadata = new Map();
    });
    expect(diff(a, b)).toEqual(same);
  });

  test("is a model in another order", async () => {
    b = await read("dit-tiny-dynamo20");
    const depth = new Map<Node, number>();
    for (const node of b.graph.nodes) {
      const above = node.inputs.map((value) => depth.get(value?.producer as Node) ?? 0);
      depth.set(node, 1 + Math.max(0, ...above));
    }
    b.graph.nodes.sort((x, y) => depth.get(x)! - depth.get(y)! || (x.name < y.name ? 1 : -1));
    expect(diff(a, b)).toEqual(same);
  });

  test("is what hangs on constants and what hangs on initializers", async () => {
    b = await edited((patch, { graph }) => {
      for (const value of [...graph.initializers]) {
        const { dtype, shape, data } = value.initializer!;
        if (shape.length === 0) patch.shunt(value, patch.constant(dtype, shape, data));
      }
    });
    expect(b.graph.nodes.some((node) => node.op === "Constant")).toBe(true);
    expect(diff(a, b)).toEqual(same);
  });
});

describe("other weights", () => {
  test("one bit in the middle of a large one", async () => {
    b = await edited((patch, { graph }) => {
      const value = graph.values.get("blocks.2.adaLN_modulation.1.weight")!;
      const { shape, data } = value.initializer!;
      const bytes = Uint8Array.from(materialize(data));
      bytes[30_001]! ^= 1;
      patch.reweigh(value, shape, inMemory(bytes));
    });
    const changed = ["blocks.2.adaLN_modulation.1.weight: float32[384, 64], other values"];
    expect(shown(diff(a, b))).toEqual([{ ...nothing, where: "blocks[2]", changed }]);
  });

  test("all of them, as after training", async () => {
    b = await edited((patch, { graph }) => {
      for (const value of [...graph.initializers]) {
        const { dtype, shape, data } = value.initializer!;
        if (dtype !== "float32" || shape.length === 0) continue;
        const floats = new Float32Array(Uint8Array.from(materialize(data)).buffer);
        const moved = floats.map((x, i) => x + 0.01 * ((i % 7) - 3));
        patch.reweigh(value, shape, inMemory(new Uint8Array(moved.buffer)));
      }
    });
    const { groups } = diff(a, b);
    expect(groups.filter(({ added, removed }) => added.length + removed.length > 0)).toEqual([]);
    const parts = groups.map(({ where }) => where).filter((where) => /\.(attn|mlp)$/.test(where));
    expect(parts).toHaveLength(12);
  });

  test("a scalar, by its values", async () => {
    b = await edited((patch, { graph }) => {
      const value = [...graph.initializers].find(
        (v) =>
          v.initializer!.shape.length === 0 &&
          v.uses.size === 6 &&
          [...v.uses].every(({ node }) => node.op === "Mul"),
      )!;
      patch.reweigh(value, [], inMemory(new Uint8Array(Float32Array.of(0.5).buffer)));
    });
    const { groups } = diff(a, b);
    expect(groups.map(({ where }) => where)).toEqual(
      [0, 1, 2, 3, 4, 5].map((i) => `blocks[${i}].attn`),
    );
    expect(groups[0]!.changed).toMatchObject([{ brief: "Mul input 1: 0.25 -> 0.5" }]);
  });
});

describe("other nodes", () => {
  test("another way to write attention is a change of the attentions alone", async () => {
    const groups = diff(a, await read("dit-tiny-dynamo20-sdpa")).groups;
    expect(groups.map(({ where }) => where)).toEqual(
      [0, 1, 2, 3, 4, 5].map((i) => `blocks[${i}].attn`),
    );
    const briefly = groups.map(({ added }) =>
      added
        .map(({ brief }) => brief)
        .sort()
        .join(),
    );
    expect(new Set(briefly)).toEqual(
      new Set(["Concat,Concat,Mul,Reshape,Reshape,Shape,Slice,Slice,Slice,Transpose"]),
    );
  });

  test("an attribute", async () => {
    b = await edited((patch, { graph }) => {
      patch.retune(graph.nodes.find((node) => node.op === "Gelu")!, { approximate: "none" });
    });
    const gelu = a.graph.nodes.find((node) => node.op === "Gelu")!.name;
    const changed = [`Gelu ${gelu}: approximate="tanh" -> approximate="none"`];
    expect(shown(diff(a, b))).toEqual([{ ...nothing, where: "blocks[0].mlp", changed }]);
  });

  test("a block that left takes its nodes along and moves nothing else", async () => {
    b = await edited((patch, model) => {
      const block = anatomize(model).stacks[0]!.blocks[2]!;
      patch.shunt(block.output, block.input);
    });
    const groups = diff(a, b).groups;
    expect(new Set(groups.map(({ where }) => where.replace(/\..*/, "")))).toEqual(
      new Set(["blocks[2]"]),
    );
    expect(groups.flatMap(({ added, changed }) => [...added, ...changed])).toEqual([]);
  });

  test("an input from elsewhere", async () => {
    b = await edited((patch, { graph }) => {
      const norms = graph.nodes.filter((node) => node.op === "LayerNormalization");
      patch.rewire(norms[6]!, 0, norms[5]!.inputs[0]!);
    });
    const groups = shown(diff(a, b));
    expect(groups).toMatchObject([
      { ...nothing, where: "blocks[3].norm1", changed: [expect.any(String)] },
    ]);
    expect(groups[0]!.changed[0]).toMatch(/^LayerNormalization \S+: input 0 is \S+, was \S+$/);
  });

  test("what an edit made says which line asked for it", async () => {
    b = await read("dit-tiny-dynamo20");
    const stamp = { edit: "a.graft:3", site: "blocks[1].mlp", operator: "twice" };
    const patch = new Patch(b.graph, stamp, "blocks.1.mlp");
    const mlp = anatomize(b).stacks[0]!.blocks[1]!.parts.get("mlp")!;
    const bytes = inMemory(new Uint8Array(Float32Array.from({ length: 64 }, (_, i) => i).buffer));
    const y = patch.one("Mul", [mlp.x, patch.weight("blocks.1.mlp.scale", "float32", [64], bytes)]);
    patch.shunt(mlp.outputs[0]!, y);
    patch.commit();
    const groups = shown(diff(a, b));
    expect(groups).toMatchObject([
      {
        where: "blocks[1].mlp",
        added: ["Mul /blocks.1/mlp/Mul", "blocks.1.mlp.scale float32[64]"],
        edit: "a.graft:3",
      },
    ]);
    expect(groups[0]!.removed).toContain("blocks.1.mlp.fc1.bias float32[256]");
  });
});

test("the model's own properties are a group of their own", async () => {
  b = await read("dit-tiny-dynamo20");
  b.metadata.set("author", "somebody");
  (b.opsets as Map<string, number>).set("", 21);
  renameValue(b.graph, b.graph.outputs[0]!, "noise");
  expect(shown(diff(a, b))).toEqual([
    {
      where: "model",
      added: ["output noise", "metadata author"],
      removed: ["output out"],
      changed: ["opset ai.onnx: 20 -> 21"],
      edit: null,
    },
  ]);
});

test("time grows with the size of the models", async () => {
  const chain = async (length: number) => {
    const model = await read("dit-tiny-dynamo20");
    const patch = new Patch(model.graph, null, "");
    const output = model.graph.outputs[0]!;
    let y = output;
    for (let i = 0; i < length; i++) y = patch.one(i % 2 ? "Neg" : "Abs", [y]);
    patch.shunt(output, y);
    patch.commit();
    return model;
  };
  const time = async (length: number) => {
    const [x, y] = [await chain(length), await chain(length - 2)];
    // Seconds on the clock are also those of whatever else the machine does.
    const begun = process.cpuUsage();
    expect(diff(x, y).same).toBe(false);
    return process.cpuUsage(begun).user / 1000;
  };
  await time(1000);
  const [small, large] = [await time(4000), await time(20_000)];
  expect(large).toBeLessThan(10 * small + 100);
});

test("weights of copies are new, though their bytes are not", async () => {
  const { model } = await editModel(await read("dit-tiny-dynamo20"), "repeat blocks[1] times 2");
  const copied = [...model.graph.initializers].flatMap(
    ({ name }) => /\.copy1\..*/.exec(name) ?? [],
  );
  const { added } = shown(diff(a, model)).find(({ where }) => where === "blocks[1]")!;
  const named = added.flatMap((text) => /\.copy1\.[\w.]*/.exec(text) ?? []);
  expect(named.toSorted()).toEqual(copied.toSorted());
  expect(named).toContain(".copy1.attn.qkv.weight");
});

test("what an operator inherits is not new", async () => {
  const text = "replace blocks[1].attn with mha";
  const { model } = await editModel(await read("dit-tiny-dynamo20"), text);
  const groups = shown(diff(a, model));
  const weights = groups.flatMap(({ added, removed }) => [...added, ...removed]);
  expect(weights.filter((text) => /\.weight /.test(text))).toEqual([]);
});
