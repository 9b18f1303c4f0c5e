/** Casts as converters to mixed precision leave them: around single operators, and behind all others. */
import { expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
import * as g from "../../src/presets/growth.ts";
import { normal } from "../../src/presets/weights.ts";
import { grown, hidden, toolsOf, width } from "../passes/block-tools.ts";

type Cast = (growth: g.Growth, x: Value) => Value;
const to =
  (code: number): Cast =>
  (growth, x) =>
    g.op(growth, "Cast", [x], { to: code });
const [wide, half] = [to(1), to(10)];

/** The product in half precision, the sum with the bias in float32. */
function linear(outer: g.Growth, step: string, x: Value, sizes: [number, number]): Value {
  const growth = g.at(outer, step);
  const w = half(growth, g.weight(growth, "weight", sizes, normal(0.4)));
  const product = g.op(growth, "MatMul", [half(growth, x), w]);
  const b = g.weight(growth, "bias", [sizes[1]], normal(0.4));
  return g.op(growth, "Add", [wide(growth, product), b]);
}

/** gelu in half precision, but for its cube and its tanh. */
function gelu(growth: g.Growth, x: Value): Value {
  const { patch } = growth;
  const number = (value: number) =>
    patch.constant("float16", [], { kind: "memory", data: encodeElements("float16", [value]) });
  const cube = half(growth, g.op(growth, "Pow", [wide(growth, x), wide(growth, number(3))]));
  const term = g.op(growth, "Mul", [number(0.044715), cube]);
  const inner = g.op(growth, "Mul", [number(0.79788), g.op(growth, "Add", [x, term])]);
  const tanh = half(growth, g.op(growth, "Tanh", [wide(growth, inner)]));
  const factor = g.op(growth, "Mul", [number(0.5), g.op(growth, "Add", [tanh, number(1)])]);
  return g.op(growth, "Mul", [x, factor]);
}

function mixed(): Promise<Model> {
  return grown((root, x) => {
    let y = x;
    for (const i of [0, 1, 2]) {
      const growth = g.at(root, `blocks.${i}`);
      const { norm, add, attn } = toolsOf(growth);
      y = add(y, attn(norm(y)).y);
      const inner = g.at(growth, "mlp");
      const units = half(inner, linear(inner, "fc1", norm(y), [width, hidden]));
      y = add(y, linear(inner, "fc2", gelu(inner, units), [hidden, width]));
    }
    return y;
  });
}

test.each(["where they are read", "behind what reads them"])("%s", async (where) => {
  const model = await mixed();
  if (where === "behind what reads them") {
    const isCast = ({ op }: { op: string }) => op === "Cast";
    const { nodes } = model.graph;
    model.graph.nodes = [...nodes.filter((node) => !isCast(node)), ...nodes.filter(isCast)];
  }
  const { stacks } = anatomize(model);
  expect(stacks.map(({ blocks }) => blocks.length)).toEqual([3]);
  for (const { parts } of stacks[0]!.blocks) {
    const mlp = parts.get("mlp")?.host;
    expect(mlp).toMatchObject({ kind: "mlp", activation: "gelu_tanh", gate: null, opaque: null });
    if (mlp?.kind !== "mlp") continue;
    expect([mlp.fc1, mlp.fc2].map(({ bias }) => bias?.name.replace(/.*mlp/, ""))).toEqual([
      ".fc1.bias",
      ".fc2.bias",
    ]);
  }
});
