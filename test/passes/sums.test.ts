/** Ways in which models sum up their residual stream; what edits do is what the weights say. */
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import { GraftError } from "../../src/diag/diagnostic.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import * as g from "../../src/presets/growth.ts";
import { normal } from "../../src/presets/weights.ts";
import { grown, heads, hidden, type Tools, tokens, toolsOf, width } from "./block-tools.ts";
import { reweigh } from "./silenced.ts";
import { distance, editModel, run } from "./workbench.ts";

/** What passes from block to block beside the stream. */
interface Beside {
  /** Where the stream begins. */
  readonly start: Value;
  /** The second stream of ResiDual. */
  readonly total: Value;
  /** Which tokens are of another kind, [B, N, 1]. */
  readonly kind: Value;
  /** Values of the first block's heads. */
  readonly values: Value | null;
}

type Block = (x: Value, tools: Tools, beside: Beside) => Value | readonly [Value, Partial<Beside>];

const forms = {
  "an MLP reads what the attention beside it ends in": (x, { add, norm, attn, mlp }) => {
    const normed = norm(x);
    const { y } = attn(normed);
    return add(add(x, y), mlp(add(normed, y)));
  },
  "such branches are summed before the stream": (x, { add, norm, attn, mlp }) => {
    const normed = norm(x);
    const { y } = attn(normed);
    return add(x, add(y, mlp(add(normed, y))));
  },
  "an MLP reads nothing but what the attention beside it ends in": (
    x,
    { add, norm, attn, mlp },
  ) => {
    const { y } = attn(norm(x));
    return add(add(x, y), mlp(y));
  },
  "sums take half of a stream that branches read as a whole": (
    x,
    { growth, add, norm, attn, mlp },
  ) => {
    const half = (y: Value) => g.op(growth, "Mul", [y, growth.patch.scalar("float32", 0.5)]);
    const middle = norm(add(attn(x).y, half(x)));
    return norm(add(mlp(middle), half(middle)));
  },
  "an attention adds to the normed stream, an MLP to the stream": (x, { add, norm, attn, mlp }) => {
    const normed = norm(x);
    return add(x, mlp(add(normed, attn(normed).y)));
  },
  "an MLP adds to the normed stream, an attention to the stream": (x, { add, norm, attn, mlp }) => {
    const normed = norm(x);
    return add(x, attn(norm(add(normed, mlp(normed)))).y);
  },
  "an MLP's sum takes in what the block starts from": (x, { add, norm, attn, mlp }) => {
    const middle = norm(add(x, attn(x).y));
    return norm(add(add(x, middle), mlp(middle)));
  },
  "the stream's start is added in front of branches": (x, { add, norm, attn, mlp }, { start }) => {
    const middle = add(x, attn(norm(add(x, start))).y);
    return add(middle, mlp(norm(add(middle, start))));
  },
  "branches are taken away": (x, { take, norm, attn, mlp }) => {
    const middle = take(x, attn(norm(x)).y);
    return take(middle, mlp(norm(middle)));
  },
  "the stream loses its mean": (x, { growth, add, take, norm, attn, mlp }) => {
    const meanOf = (y: Value) => g.op(growth, "ReduceMean", [y, growth.patch.ints([-1])]);
    const middle = take(add(x, attn(norm(x)).y), meanOf(x));
    return add(take(middle, meanOf(middle)), mlp(norm(middle)));
  },
  "the stream is shifted and scaled": (x, { add, norm, attn, mlp, affine }) => {
    const middle = add(affine("first", x), attn(norm(x)).y);
    return add(affine("second", middle), mlp(norm(middle)));
  },
  "branches are added to two streams": (x, { add, norm, attn, mlp }, { total }) => {
    const { y } = attn(x);
    const first = add(x, y);
    const middle = norm(first);
    const z = mlp(middle);
    // Exporters compute what both streams begin with once.
    return [norm(add(middle, z)), { total: add(total === x ? first : add(total, y), z) }];
  },
  "values of the first block join those of all": (x, { add, norm, attn, mlp }, { values }) => {
    const { y, v } = attn(norm(x), values);
    const middle = add(x, y);
    return [add(middle, mlp(norm(middle))), { values: values ?? v }];
  },
  "tokens of each kind have an MLP": (x, { growth, add, norm, attn, mlp }, { kind }) => {
    const middle = add(x, attn(norm(x)).y);
    const normed = norm(middle);
    return add(middle, g.op(growth, "Where", [kind, mlp(normed), mlp(normed, "mlp2")]));
  },
  "branches are stacked and summed": (x, { growth, add, norm, attn, mlp }) => {
    const normed = norm(x);
    const first = growth.patch.ints([0]);
    const terms = [attn(normed).y, mlp(normed)];
    const stack = terms.map((y) => g.op(growth, "Unsqueeze", [y, first]));
    const sum = g.op(growth, "ReduceSum", [g.op(growth, "Concat", stack, { axis: 0 }), first], {
      keepdims: 0,
    });
    return add(x, sum);
  },
  "features of an MLP stand beside others": (x, { growth, add, norm, attn, mlp }) => {
    const middle = add(x, attn(norm(x)).y);
    const normed = norm(middle);
    const half = (y: Value, step: string) =>
      g.linear(growth, step, y, [width, width / 2], normal(0.4));
    const beside = g.op(growth, "Relu", [half(normed, "side")]);
    const both = [half(mlp(normed), "mlp.fc3"), beside];
    return add(middle, g.op(growth, "Concat", both, { axis: -1 }));
  },
  "an MLP is added to some tokens": (x, { growth, add, norm, attn, mlp }, { kind }) => {
    const middle = add(x, attn(norm(x)).y);
    const flags = g.op(growth, "Squeeze", [kind, growth.patch.ints([-1])]);
    const places = g.transpose(growth, g.op(growth, "NonZero", [flags]), [1, 0]);
    const some = g.op(growth, "GatherND", [middle, places]);
    return g.op(growth, "ScatterND", [middle, places, add(some, mlp(norm(some)))]);
  },
  "a projection stands beside the attention": (x, { growth, add, norm, attn, mlp }) => {
    const normed = norm(x);
    const term = g.linear(growth, "attn.term", normed, [width, width], normal(0.4));
    const middle = add(x, add(attn(normed).y, term));
    return add(middle, mlp(norm(middle)));
  },
  "types are taken of what branches make": (x, { growth, add, norm, attn, mlp }) => {
    const { y } = attn(norm(x));
    const first = g.op(growth, "Slice", [y, ...[0, 1, 1].map((at) => growth.patch.ints([at]))]);
    const middle = add(x, g.op(growth, "CastLike", [y, first]));
    return add(middle, mlp(norm(middle)));
  },
  "first projections are one product": (x, { growth, add, norm }) => {
    const made = g.linear(growth, "in", norm(x), [width, 3 * width + hidden], normal(0.4));
    const cut = (from: number, to: number) =>
      g.op(growth, "Slice", [made, ...[from, to, -1].map((at) => growth.patch.ints([at]))]);
    const sides = [0, 1, 2].map((i) => {
      const own = cut(i * width, (i + 1) * width);
      const apart = g.reshape(growth, own, [0, -1, heads, width / heads]);
      return g.transpose(growth, apart, [0, 2, 1, 3]);
    });
    const met = g.attend(growth, sides as [Value, Value, Value], { heads, width });
    const units = g.gelu(growth, cut(3 * width, 3 * width + hidden));
    const last = (step: string, y: Value, size: number) =>
      g.linear(growth, step, y, [size, width], normal(0.4));
    return add(x, add(last("attn.out", met, width), last("mlp.fc2", units, hidden)));
  },
  "last projections have a low-rank update": (x, tools) => {
    const { add, norm, attn, mlp } = tools.updated();
    const middle = add(x, attn(norm(x)).y);
    return add(middle, mlp(norm(middle)));
  },
} satisfies Record<string, Block>;
type Form = keyof typeof forms;

function modelOf(form: Form): Promise<Model> {
  return grown((root, input) => {
    const { patch } = root;
    let x = g.op(root, "Mul", [input, patch.scalar("float32", 1.5)]);
    const bounds = [0, 1, 2].map((at) => patch.ints([at]));
    const first = g.op(root, "Slice", [input, ...bounds]);
    const kind = g.op(root, "Greater", [first, patch.scalar("float32", 0)]);
    let beside: Beside = { start: x, total: x, values: null, kind };
    for (let i = 0; i < 3; i++) {
      const made = (forms[form] as Block)(x, toolsOf(g.at(root, `blocks.${i}`)), beside);
      const [next, changed] = Array.isArray(made) ? made : [made, {}];
      [x, beside] = [next, { ...beside, ...changed }];
    }
    return beside.total !== beside.start ? g.op(root, "Add", [x, beside.total]) : x;
  });
}

const feeds = {
  x: new ort.Tensor(
    "float32",
    Float32Array.from({ length: 2 * tokens * width }, (_, i) => Math.sin(i * i)),
    [2, tokens, width],
  ),
};

/** What the model returns where a part's last projections are zero. */
async function without(form: Form, projections: RegExp | null) {
  const model = await modelOf(form);
  const weights = [...model.graph.initializers].filter(
    ({ name }) => projections?.test(name) && /^blocks\.1\..*weight$/.test(name),
  );
  reweigh(
    model,
    weights.map((value) => [value, (values) => values.fill(0)] as const),
  );
  return (await run(model, feeds)).y!;
}

async function expectEdited(form: Form, text: string, expected: ort.Tensor) {
  const { model } = await editModel(await modelOf(form), text);
  const { difference, scale } = distance(expected, (await run(model, feeds)).y!);
  expect(difference / scale, text).toBeLessThan(2e-6);
}

const blockOf = (form: Form) =>
  form === "tokens of each kind have an MLP"
    ? ["attn", "mlp", "mlp2"]
    : form === "an MLP is added to some tokens"
      ? ["attn", "refused mlp"]
      : form.startsWith("an MLP adds to")
        ? ["mlp", "attn"]
        : ["attn", "mlp"];

const last = { attn: /attn\.(out|term)/, mlp: /mlp\.fc2|side/ } as const;
/** What reads a branch beside the stream would be left with nothing. */
const readBeside: Partial<Record<Form, readonly (keyof typeof last)[]>> = {
  "an MLP reads what the attention beside it ends in": ["attn"],
  "such branches are summed before the stream": ["attn"],
  "an MLP reads nothing but what the attention beside it ends in": ["attn"],
  "branches are added to two streams": ["attn", "mlp"],
  "tokens of each kind have an MLP": ["mlp"],
};

describe.each(Object.keys(forms) as Form[])("%s", (form) => {
  test("three blocks of an attention and MLPs", async () => {
    const model = await modelOf(form);
    const { stacks, unplaced } = anatomize(model);
    const parts = (names: Iterable<string>) => [...names].filter((name) => !/norm/.test(name));
    const found = stacks.map(({ blocks }) =>
      blocks.map(({ parts: offered, refused }) => [
        ...parts(offered.keys()),
        ...[...refused.keys()].map((name) => `refused ${name}`),
      ]),
    );
    const block = blockOf(form);
    expect([found, unplaced]).toEqual([[[block, block, block]], []]);
  });

  const offered = (["attn", "mlp"] as const).filter((part) => blockOf(form).includes(part));
  test.each(offered)("nothing in the place of %s", async (part) => {
    const expected = await without(form, last[part]);
    const nothing = `operator nothing for ${part} { return 0 * x }`;
    await expectEdited(form, `replace blocks[1].${part} with nothing\n${nothing}`, expected);
    const removed = expectEdited(form, `remove blocks[1].${part}`, expected);
    if (readBeside[form]?.includes(part)) await expect(removed).rejects.toThrow(GraftError);
    else await removed;
  });

  const resizable = offered.filter(
    (part) => part === "mlp" && !/^(features|first|last)/.test(form),
  );
  test.each(resizable)("an %s that grows keeps the function", async () => {
    await expectEdited(form, "resize blocks[all].mlp to hidden 16", await without(form, null));
  });
});

test("a block leaves with what gives its values a type", async () => {
  const form = "types are taken of what branches make";
  const expected = await without(form, /attn\.out|mlp\.fc2/);
  await expectEdited(form, "remove blocks[1]", expected);
});
