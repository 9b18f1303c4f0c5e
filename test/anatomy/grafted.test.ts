/**
 * Models that graftc wrote, read again: operators without projections, sums or norms leave their
 * blocks what they were, so that the next edit finds the same indices.
 */
import { expect, test } from "vitest";
import { inferTypes } from "../../passes/infer-types.ts";
import { createOracle } from "../../runtime/index.ts";
import { anatomize } from "../../src/anatomy/index.ts";
import { inspectionOf } from "../../src/inspect/index.ts";
import { distance, edit, editModel, fixture, recorded, run } from "../passes/workbench.ts";
import { open } from "./models.ts";

const bare = `
operator projless() for attn { return x @ host.q }
operator shift() for attn { return concat(x[.., 1:, :], x[.., 0:1, :], axis: 1) * 0.5 }
operator same() for attn { return x }
operator half() for mlp { return gelu(x) * 0.5 }
operator normed() for mlp {
  layer norm = layer_norm(D)
  layer fc1 = linear(D, D)
  layer fc2 = linear(D, D)
  return x + fc2(gelu(fc1(norm(x))))
}
operator bare_block() for block {
  layer fc = linear(D, D)
  return fc(x)
}
replace blocks[1].attn with projless
replace blocks[1].mlp with normed
replace blocks[2].attn with shift
replace blocks[2].mlp with half
replace blocks[3].attn with same
replace blocks[4] with bare_block
repeat blocks[2] times 2
`;

const usual = "norm1 layer_norm, attn attention, norm2 layer_norm, mlp mlp";

test.each(["dit-tiny-dynamo20", "dit-tiny-ts17"])(
  "operators of any form are found again in %s",
  async (name) => {
    const { model } = await edit(fixture(name), bare);
    await inferTypes(model, createOracle());
    const anatomy = anatomize(model);
    const facts = { declared: new Map(), nodes: 0, inlined: 0 };
    const { stacks, unplaced, remarks } = inspectionOf({ model, anatomy, ...facts });
    const blocks = stacks.map((stack) =>
      stack.blocks.map(({ parts }) =>
        Object.entries(parts)
          .map(([part, { kind }]) => `${part} ${kind}`)
          .join(", "),
      ),
    );
    expect(blocks).toEqual([
      [
        usual,
        "norm1 layer_norm, attn projless, norm2 layer_norm, mlp normed",
        "norm1 layer_norm, attn shift, norm2 layer_norm, mlp half",
        "norm1 layer_norm, attn shift, norm2 layer_norm, mlp half",
        "norm1 layer_norm, attn same, norm2 layer_norm, mlp mlp",
        "mlp bare_block",
        ...blocks[0]!.slice(6).map(() => usual),
      ],
    ]);
    expect([unplaced, remarks]).toEqual([0, []]);

    const { feeds } = recorded(name);
    const before = (await run(model, feeds)).out!;
    await editModel(model, "resize blocks[4].mlp to ratio 5 repeat blocks[0] times 2");
    const { difference, scale } = distance(before, (await run(model, feeds)).out!);
    expect(difference / scale).toBeLessThan(1e-5);
  },
);

test.each(["remove blocks[1].mlp", "remove blocks[1].attn", "replace blocks[1].mlp with mlp"])(
  "blocks of one sum keep their indices: %s",
  async (text) => {
    const model = await open("parallel-ts17");
    const scopes = () => anatomize(model).stacks.map((s) => s.blocks.map(({ scope }) => scope));
    const before = scopes();
    await editModel(model, text);
    await inferTypes(model, createOracle());
    expect(scopes()).toEqual(before);
  },
);
