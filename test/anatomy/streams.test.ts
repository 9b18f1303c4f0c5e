/** Streams that are grids, or that begin with what no input reaches. */
import { expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import type { Value } from "../../src/ir/graph.ts";
import * as g from "../../src/presets/growth.ts";
import { normal } from "../../src/presets/weights.ts";
import { grown, type Tools, tokens, toolsOf, width } from "../passes/block-tools.ts";

/** Three blocks behind one another, of [B, N, D] or of what `start` makes of it. */
async function anatomyOf(
  block: (x: Value, tools: Tools, input: Value) => Value,
  start: (input: Value, root: g.Growth) => Value,
) {
  const shape = [2, tokens, width];
  const model = await grown((root, input) => {
    let x = start(input, root);
    for (let i = 0; i < 3; i++) x = block(x, toolsOf(g.at(root, `blocks.${i}`)), input);
    return g.reshape(root, x, shape);
  }, shape);
  const { stacks, remarks } = anatomize(model);
  const parts = (names: Iterable<string>) => [...names].filter((name) => !/norm/.test(name));
  const found = stacks.map(({ blocks }) => blocks.map((block) => parts(block.parts.keys())));
  return { stacks, found, remarks };
}

test("a convolution whose channels are the last axis of a grid is a mixer of its tokens", async () => {
  const { found, remarks } = await anatomyOf(
    (x, { growth, add, norm, attn, mlp }) => {
      const { y } = attn(g.reshape(growth, norm(x), [2, tokens, width]));
      const first = add(x, g.reshape(growth, y, [2, 2, tokens / 2, width]));
      const map = g.transpose(growth, norm(first), [0, 3, 1, 2]);
      const w = g.weight(growth, "filter", [width, 1, 3, 3], normal(0.4));
      const attributes = { group: width, pads: [1, 1, 1, 1] };
      const filtered = g.op(growth, "Conv", [map, w], attributes);
      const second = add(first, g.transpose(growth, filtered, [0, 2, 3, 1]));
      return add(second, mlp(norm(second)));
    },
    (input, root) => g.reshape(root, input, [2, 2, tokens / 2, width]),
  );
  const block = ["attn", "attn2", "mlp"];
  expect([found, remarks]).toEqual([[[block, block, block]], []]);
});

test("the first attention of learned queries is counted, although no input reaches those", async () => {
  const { found, remarks } = await anatomyOf(
    (x, { add, norm, attn, mlp }, input) => {
      const middle = add(x, attn(norm(x), null, input).y);
      return add(middle, mlp(norm(middle)));
    },
    (_, root) => g.weight(root, "queries", [2, tokens, width], normal(1)),
  );
  const block = ["cross_attn", "mlp"];
  expect([found, remarks]).toEqual([[[["mlp"], block, block]], ["1 attention outside of blocks"]]);
});

test("positions added in front of every block are no stream, where one lacks its attention", async () => {
  let places: Value | null = null;
  let blocks = 0;
  const { stacks, found } = await anatomyOf(
    (x, { add, norm, attn, mlp }) => {
      const placed = add(x, places!);
      const middle = blocks++ === 0 ? placed : add(placed, attn(norm(placed)).y);
      return add(middle, mlp(norm(middle)));
    },
    (input, root) => {
      const table = g.weight(root, "places", [1, tokens, width], normal(1));
      places = g.op(root, "Expand", [table, g.op(root, "Shape", [input])]);
      return g.linear(root, "embed", input, [width, width], normal(0.4));
    },
  );
  const block = ["attn", "mlp"];
  expect(found).toEqual([[["mlp"], block, block]]);
  expect([...stacks[0]!.blocks[0]!.parts.keys()]).toEqual(["norm2", "mlp"]);
});

test("tokens that each block chooses for itself are no stream from one block to the next", async () => {
  const { found } = await anatomyOf(
    (x, { growth, add, take, norm, attn, mlp }) => {
      const scores = g.linear(growth, "router", x, [width, 1], normal(0.4));
      const attributes = { axis: 1 };
      const [, best] = growth.patch.add("TopK", [scores, growth.patch.ints([3])], {
        attributes,
        outputs: 2,
      });
      const places = g.op(growth, "Expand", [best!, growth.patch.ints([2, 3, width])]);
      const chosen = g.op(growth, "GatherElements", [x, places], attributes);
      const middle = add(chosen, attn(norm(chosen), null, chosen).y);
      const update = take(add(middle, mlp(norm(middle))), chosen);
      return g.op(growth, "ScatterElements", [x, places, update], { axis: 1, reduction: "add" });
    },
    (input) => input,
  );
  const block = ["attn", "mlp"];
  expect(found).toEqual([[block], [block], [block]]);
});

test("of two streams that attend to each other the second keeps its attention to itself", async () => {
  let other: Value | null = null;
  let blocks = 0;
  const { found, remarks } = await anatomyOf(
    (x, { growth, add, norm, mlp }, input) => {
      const [self, cross, back] = ["self", "cross", "back"].map((step) =>
        toolsOf(g.at(growth, step)),
      ) as [Tools, Tools, Tools];
      other ??= g.linear(growth, "other", input, [width, width], normal(0.4));
      const first = norm(add(x, self.attn(x).y));
      const second = norm(add(first, cross.attn(add(first, input), null, other).y));
      const last = norm(add(second, mlp(second)));
      other = norm(add(other, back.attn(other, null, add(last, input)).y));
      if (++blocks < 3) return last;
      return add(last, g.op(growth, "ReduceMean", [other, growth.patch.ints([1])]));
    },
    (input) => input,
  );
  const [block, cross] = [["attn", "cross_attn", "mlp"], ["cross_attn"]];
  expect([found, remarks]).toEqual([
    [
      [block, block, block],
      [cross, cross, cross],
    ],
    [],
  ]);
});

test("MLPs between blocks that no sum takes in are counted", async () => {
  const { found, remarks } = await anatomyOf(
    (x, { add, norm, attn, mlp }) => mlp(norm(add(x, attn(norm(x)).y))),
    (input) => input,
  );
  const remark = "2 MLPs in no part of a block";
  expect([found, remarks]).toEqual([[[["attn"]], [["attn"]], [["attn"]]], [remark]]);
});

test("blocks whose tokens are, by turns, what is the batch of the others are one stack", async () => {
  const sizes = [2, 3];
  const { stacks, found } = await anatomyOf(
    (x, { growth, add, norm, attn, mlp }) => {
      const middle = add(x, attn(norm(x)).y);
      const last = add(middle, mlp(norm(middle)));
      const apart = g.reshape(growth, last, [2, ...sizes, width]);
      sizes.reverse();
      const turned = g.transpose(growth, apart, [0, 2, 1, 3]);
      return g.reshape(growth, turned, [2 * sizes[0]!, sizes[1]!, width]);
    },
    (input, root) => g.reshape(root, input, [4, 3, width]),
  );
  const block = ["attn", "mlp"];
  expect(found).toEqual([[block, block, block]]);
  const [{ blocks, tokens: count }] = stacks as [(typeof stacks)[0]];
  expect(blocks.map(({ input }) => input.type!.shape![1])).toEqual([3, 2, 3]);
  expect(count).toBe(null);
});

test("blocks whose number of tokens is not known have as many as the others", async () => {
  const shape = [2, tokens, width];
  const ends: Value[] = [];
  const model = await grown((root, input) => {
    let x = input;
    for (let i = 0; i < 3; i++) {
      const { add, norm, attn, mlp } = toolsOf(g.at(root, `blocks.${i}`));
      const middle = add(x, attn(norm(x)).y);
      x = add(middle, mlp(norm(middle)));
      ends.push(x);
    }
    return x;
  }, shape);
  for (const end of ends) end.type = { dtype: "float32", shape: [2, null, width] };
  expect(anatomize(model).stacks.map((stack) => stack.tokens)).toEqual([tokens]);
});

const sums: readonly (readonly [string, (h: Value, tools: Tools) => Value])[] = [
  [
    "its adapter",
    (h, { growth, add, mlp }) => {
      const y = mlp(h);
      const down = g.linear(growth, "down", y, [width, 2], normal(0.4));
      const inner = g.op(growth, "Relu", [down]);
      return add(y, g.linear(growth, "up", inner, [2, width], normal(0.4)));
    },
  ],
  ["a low-rank update", (h, { updated }) => updated().mlp(h)],
];

test.each(sums)("a gated branch ends behind the sum of %s", async (_, sumOf) => {
  const ends: Value[] = [];
  const { stacks, found } = await anatomyOf(
    (x, tools) => {
      const { growth, add, norm, attn } = tools;
      const middle = add(x, attn(norm(x)).y);
      const h = norm(middle);
      const sum = sumOf(h, tools);
      ends.push(sum);
      const score = g.linear(growth, "gate", h, [width, 1], normal(0.4));
      const gate = g.op(growth, "Sigmoid", [score]);
      return add(middle, g.op(growth, "Mul", [sum, gate]));
    },
    (input) => input,
  );
  expect(found).toEqual([Array(3).fill(["attn", "mlp"])]);
  const outputs = stacks[0]!.blocks.map(({ parts }) => parts.get("mlp")!.outputs);
  expect(outputs).toEqual(ends.map((end) => [end]));
});
