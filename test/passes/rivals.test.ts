/** Weights take their state_dict names, whoever has them. */
import { expect, test } from "vitest";
import { prove, signatureOf } from "../../passes/prove.ts";
import type { GraftError } from "../../src/diag/diagnostic.ts";
import { renameValue } from "../../src/ir/edit.ts";
import { distance, editModel, fixture, read, recorded, run } from "./workbench.ts";

const name = "blocks.1.attn.in_proj.weight";
const wider = { dtype: "float32", shape: ["batch", 4, 8, 16] } as const;
const edits = "replace blocks[1].attn with hyena_x";

test("an input keeps its name, and the edit is refused", async () => {
  const model = await read(fixture("dit-tiny-dynamo20"));
  renameValue(model.graph, model.graph.inputs[0]!, name);
  const cause: GraftError = await editModel(model, edits).catch((e) => e);
  expect(cause.diagnostics.map(({ code }) => code)).toEqual(["name-taken"]);
});

test("a value between nodes gives its name up, with a note, and means what it meant", async () => {
  const { feeds } = recorded("dit-tiny-dynamo20");
  const outputs = async (rename: boolean) => {
    const model = await read(fixture("dit-tiny-dynamo20"));
    const conv = model.graph.nodes.find(({ opType }) => opType === "Conv")!;
    if (rename) renameValue(model.graph, conv.outputs[0]!, name);
    const { report } = await editModel(model, edits);
    const codes = report.diagnostics.map(({ severity, code }) => `${severity} ${code}`);
    expect(codes.includes("note name-given-up")).toBe(rename);
    expect(model.graph.values.get(name)!.initializer).not.toBeNull();
    return run(model, feeds);
  };
  const [plain, renamed] = [await outputs(false), await outputs(true)];
  expect(distance(plain.out!, renamed.out!).difference).toBe(0);
});

test("an output that edits would give another type is refused", async () => {
  const model = await read(fixture("dit-tiny-dynamo20"));
  const { inputs, outputs } = signatureOf(model);
  const before = { inputs, outputs: outputs.map(([name]) => [name, wider] as const) };
  expect(() => prove(model, before)).toThrow(/signature-changed/);
});
