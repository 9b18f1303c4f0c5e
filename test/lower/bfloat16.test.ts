/** Operators of ONNX take bfloat16 later than other floats: until then they work in float32. */
import { expect, test } from "vitest";
import { grow } from "./workbench.ts";

/** By ONNX's schemas. */
const late = new Set(["Conv", "Elu", "Softplus", "Sin", "Cos", "Tan"]);
const names = ["hyena_se", "hyena_x", "swa", "mamba2", "mha", "linear_attention"];

test.each(names)("%s", async (name) => {
  for (const opset of [13, 17, 20, 22]) {
    const host = { shape: ["B", 16, 64], dtype: "bfloat16", opset, heads: 4 } as const;
    const { model } = await grow(name, host);
    const types = model.graph.nodes
      .filter(({ op }) => late.has(op))
      .flatMap(({ inputs }) =>
        inputs.map((input) => input?.type?.dtype ?? input!.initializer!.dtype),
      );
    if (opset < 22) expect(types).not.toContain("bfloat16");
    else if (name.startsWith("hyena")) expect(types).toContain("bfloat16");
    expect(model.graph.nodes.length).toBeGreaterThan(5);
  }
});
