/** Ways through a graph that are very long, or very many. */
import { expect, test } from "vitest";
import type { Model, Value } from "../../src/ir/graph.ts";
import * as g from "../../src/presets/growth.ts";
import { normal } from "../../src/presets/weights.ts";
import { grown, toolsOf, width } from "./block-tools.ts";
import { editModel } from "./workbench.ts";

type Root = g.Growth;

function modelOf(start: (root: Root, x: Value) => Value, weigh: (root: Root, w: Value) => Value) {
  return grown((root, input) => {
    let x = start(root, input);
    for (let i = 0; i < 2; i++) {
      const growth = g.at(root, `blocks.${i}`);
      const { add, norm, attn } = toolsOf(growth);
      x = add(x, attn(norm(x)).y);
      const w = weigh(growth, g.weight(growth, "mlp.weight", [width, width], normal(0.4)));
      const back = g.weight(growth, "mlp.back", [width, width], normal(0.4));
      const units = g.gelu(growth, g.op(growth, "MatMul", [norm(x), w]));
      x = add(x, g.op(growth, "MatMul", [units, weigh(growth, back)]));
    }
    return x;
  });
}

function times(count: number, x: Value, step: (x: Value) => Value): Value {
  let at = x;
  for (let i = 0; i < count; i++) at = step(at);
  return at;
}

const models: Record<string, () => Promise<Model>> = {
  "20,000 operations before the first block": () => {
    const pass = (root: Root) => (x: Value) => g.op(root, "Identity", [x]);
    return modelOf(
      (root, x) => times(20_000, x, pass(root)),
      (_, w) => w,
    );
  },
  "weights that are added to themselves 60 times": () => {
    const double = (root: Root) => (w: Value) => g.op(root, "Add", [w, w]);
    return modelOf(
      (_, x) => x,
      (root, w) => times(60, w, double(root)),
    );
  },
};

const edits = [
  "repeat blocks[1] times 2",
  "parallelize blocks[all] by 2",
  "remove blocks[1].attn",
  "replace blocks[1].mlp with swiglu",
];

test.each(Object.keys(models).flatMap((name) => edits.map((edit) => [name, edit] as const)))(
  "%s: %s",
  async (name, edit) => {
    const { report } = await editModel(await models[name]!(), edit);
    expect(report.edits).toHaveLength(1);
  },
  20_000,
);
