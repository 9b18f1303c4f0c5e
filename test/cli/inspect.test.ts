import { expect, test } from "vitest";
import { graftc, json } from "./graftc.ts";

const model = "test/fixtures/models/pixart-ts17.onnx";

test("sizes are those that the file declares, beside what the runtime makes of them", () => {
  const { outputs } = json(graftc(["inspect", model, "--json"]));
  const names = [1, 2, 3].map((axis) => `Reshapesample_dim_${axis}`);
  expect(outputs).toEqual([
    {
      name: "sample",
      type: "float32",
      shape: ["batch", ...names],
      inferred: ["batch", 8, 8, 8],
    },
  ]);
  expect(graftc(["inspect", model]).stdout).toContain("sample  float32[batch, 8, 8, 8]");
});
