/** Tables that operators make when they are compiled: stored once, whoever reads them. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import { lengthOf } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import * as g from "../../src/presets/growth.ts";
import { grown, tokens, toolsOf, width } from "./block-tools.ts";
import { distance, editModel, reread, run } from "./workbench.ts";

/** A table of 32 by 32, 4 KB, of which the tokens and features are taken. */
const tabled = `
operator tabled for attn {
  let table = sin(float(reshape(range(32), [32, 1]) * range(32)))
  return x + (x[:, :1, :1] * table)[:, :N, :D]
}`;

const modelOf = () =>
  grown((root, input) => {
    let x: Value = input;
    for (let i = 0; i < 3; i++) {
      const { add, norm, attn, mlp } = toolsOf(g.at(root, `blocks.${i}`));
      x = add(x, attn(norm(x)).y);
      x = add(x, mlp(norm(x)));
    }
    return x;
  });

const values = Float32Array.from({ length: 2 * tokens * width }, (_, i) => Math.sin(i * i));
const feeds = { x: new ort.Tensor("float32", values, [2, tokens, width]) };

async function expectSame(a: Model, b: Model) {
  const [first, second] = [(await run(a, feeds)).y!, (await run(b, feeds)).y!];
  const { difference, scale } = distance(first, second);
  expect(difference / scale).toBeLessThan(1e-6);
}

const tablesIn = ({ graph }: Model, least = 1024) =>
  graph.nodes.filter(
    ({ opType, attributes }) =>
      opType === "Constant" &&
      [...attributes.values()].some(
        ({ value }) => value.type === "tensor" && lengthOf(value.value.data) >= least,
      ),
  );

test("blocks read one table, whichever of them goes", async () => {
  const both = `replace blocks[0, 2].attn with tabled\n${tabled}`;
  const { model } = await editModel(await modelOf(), both);
  expect(tablesIn(model)).toHaveLength(1);
  const again = await reread(model);
  expect(anatomize(again).stacks.map(({ blocks }) => blocks.length)).toEqual([3]);
  const one = await editModel(await modelOf(), `replace blocks[2].attn with tabled\n${tabled}`);
  const { model: only } = await editModel(await reread(one.model), "remove blocks[0]");
  const text = `replace blocks[0, 2].attn with tabled\nremove blocks[0]\n${tabled}`;
  await expectSame((await editModel(await modelOf(), text)).model, only);
  const { model: later } = await editModel(again, "remove blocks[0]");
  expect(tablesIn(later)).toHaveLength(1);
  await expectSame(later, only);
});

test("a table that nobody reads any more is gone", async () => {
  const text = `replace blocks[1].attn with tabled\nremove blocks[1]\n${tabled}`;
  expect(tablesIn((await editModel(await modelOf(), text)).model)).toEqual([]);
});

test("`let` takes tables that are left to the runtime", async () => {
  // 2,000 by 2,000 elements of two rows are too many to store.
  const large = `operator large for attn {
    let table = float(reshape(range(2000), [2000, 1]) >= range(2000)) * 2
    return x * table[:N, :D]
  }`;
  const small = large.replaceAll("2000", "50");
  const [a, b] = await Promise.all(
    [large, small].map(async (text) => {
      return editModel(
        await modelOf(),
        `replace blocks[1].attn with ${text.slice(9, 14)}\n${text}`,
      );
    }),
  );
  expect(tablesIn(a!.model, 1 << 20)).toEqual([]);
  await expectSame(a!.model, b!.model);
});

test("`let` takes nothing that is another number each time", async () => {
  const text = `replace blocks[1].attn with drawn
    operator drawn for attn {
      let noise = RandomNormal(shape: [1, 1, D])
      return x + noise
    }`;
  await expect(editModel(await modelOf(), text)).rejects.toThrow("not-constant");
});
