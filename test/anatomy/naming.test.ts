/** What new weights of a part are called, from the paths that exporters left of its projections. */
import { expect, test } from "vitest";
import { scopeOfPart } from "../../src/anatomy/naming.ts";
import { Node, Value } from "../../src/ir/graph.ts";

/** A projection of which nothing but the name of its bias is left. */
function projection(bias: string | null): Node {
  const node = new Node({ name: "n", opType: "Add", domain: "", attributes: new Map() });
  const value = new Value(bias ?? "val_7", null);
  value.initializer = {
    dtype: "float32",
    shape: [1],
    data: { kind: "memory", bytes: new Uint8Array(4) },
    origin: null,
  } as never;
  node.inputs = [value];
  return node;
}

test.each([
  [["blocks.1.attn.qkv.bias", "blocks.1.attn.proj.bias"], "blocks.1.attn"],
  [["blocks.1.attn.qkv.bias", null], "blocks.1.attn"],
  [[null, "blocks.1.attn.to_out.0.bias"], "blocks.1.attn"],
  [["blocks.1.attn.q.bias", "blocks.1.attn.k.bias", null], "blocks.1.attn"],
  [["blocks.1.attn.in_proj_bias", null], "blocks.1.attn"],
  [["blocks.1.qkv.bias", null], "blocks.1.attn"],
  [[null, null], "blocks.1.attn"],
])("%j", (biases, expected) => {
  const block = { scope: "blocks.1", prefix: "blocks.1" };
  expect(scopeOfPart("attn", biases.map(projection), block)).toBe(expected);
});
