/** The layers of transformer blocks, to be put together in any way. */
import { inferTypes } from "../../passes/infer-types.ts";
import { createOracle } from "../../runtime/index.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import type { Dim } from "../../src/ir/types.ts";
import { blankModel, declareOutput } from "../../src/onnx-ops/blank-model.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import * as g from "../../src/presets/growth.ts";
import { normal } from "../../src/presets/weights.ts";

export const [tokens, width, heads, hidden] = [6, 8, 2, 12];

/** A model from `x` to `y`, both of this shape, whose values have their types. */
export async function grown(
  grow: (root: g.Growth, x: Value) => Value,
  shape: readonly Dim[] = ["batch", tokens, width],
): Promise<Model> {
  const type = { dtype: "float32", shape } as const;
  const model = blankModel({
    path: "grown.onnx",
    opset: 20,
    irVersion: 10,
    producer: { name: "test", version: "0" },
    inputs: { x: type },
  });
  const patch = new Patch(model.graph, null, "");
  const y = grow({ patch, seed: 0, path: "" }, model.graph.inputs[0]!);
  patch.commit();
  declareOutput(model, y, "y", type);
  await inferTypes(model, createOracle());
  return model;
}

export interface Tools {
  readonly growth: g.Growth;
  readonly add: (...terms: Value[]) => Value;
  readonly take: (a: Value, b: Value) => Value;
  readonly norm: (x: Value) => Value;
  /** To itself or to `context`; `values` are added to those of its heads. */
  readonly attn: (x: Value, values?: Value | null, context?: Value) => { y: Value; v: Value };
  readonly mlp: (x: Value, step?: string) => Value;
  /** The same tools, whose last projections have a low-rank update that is not merged: LoRA. */
  readonly updated: () => Tools;
  /** (x + b) * w, one number each feature. */
  readonly affine: (step: string, x: Value) => Value;
}

export function toolsOf(growth: g.Growth, isUpdated = false): Tools {
  const add = (...terms: Value[]) => g.op(growth, "Add", terms);
  const linear = (inner: g.Growth, step: string, x: Value, sizes: [number, number]) =>
    g.linear(inner, step, x, sizes, normal(0.4));
  const last = (inner: g.Growth, step: string, x: Value, [from, to]: [number, number]) => {
    const y = linear(inner, step, x, [from, to]);
    if (!isUpdated) return y;
    const down = linear(g.at(inner, step), "down", x, [from, 2]);
    return add(y, linear(g.at(inner, step), "up", down, [2, to]));
  };
  let norms = 0;
  return {
    growth,
    add,
    take: (a, b) => g.op(growth, "Sub", [a, b]),
    norm: (x) => g.layerNorm(g.at(growth, `norm${++norms}`), x, width),
    attn: (x, values = null, context = x) => {
      const inner = g.at(growth, "attn");
      const [q, k, own] = ["q", "k", "v"].map((step) => {
        const y = linear(inner, step, step === "q" ? x : context, [width, width]);
        const apart = g.reshape(inner, y, [0, -1, heads, width / heads]);
        return g.transpose(inner, apart, [0, 2, 1, 3]);
      }) as [Value, Value, Value];
      const v = values ? g.op(inner, "Add", [own, values]) : own;
      const y = g.attend(inner, [q, k, v], { heads, width });
      return { y: last(inner, "out", y, [width, width]), v };
    },
    mlp: (x, step = "mlp") => {
      const inner = g.at(growth, step);
      const units = g.gelu(inner, linear(inner, "fc1", x, [width, hidden]));
      return last(inner, "fc2", units, [hidden, width]);
    },
    updated: () => toolsOf(growth, true),
    affine: (step, x) => {
      const b = g.weight(growth, `${step}.bias`, [width], normal(0.5));
      const w = g.weight(growth, `${step}.weight`, [width], normal(0.5));
      return g.op(growth, "Mul", [add(x, b), w]);
    },
  };
}
