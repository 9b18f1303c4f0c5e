import { describe, expect, test } from "vitest";
import { slotsOf } from "../../passes/graph/state-dict.ts";
import { loadWeights, type WeightFile } from "../../passes/load-weights.ts";
import { anatomize } from "../../src/anatomy/index.ts";
import type { GraftError } from "../../src/diag/diagnostic.ts";
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import type { StoredTensor } from "../../src/onnx/index.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";
import * as g from "../../src/presets/growth.ts";
import { grown, width } from "./block-tools.ts";
import { reweigh } from "./silenced.ts";
import { distance, edit, editModel, fixture, read, recorded, run } from "./workbench.ts";

const names = [
  "dit-tiny-dynamo20",
  "dit-tiny-ts17",
  "dit-tiny-ts17-slim",
  "dit-tiny-dynamo23-sdpa",
];

/** The weights as PyTorch has them, [out, in], under their state_dict names. */
function stateDict(model: Model): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { value, layout }] of slotsOf(model, [])) {
    const tensor = value.initializer!;
    if (!/^[a-z_]+(\.\w+)*\.(weight|bias)$/.test(name) || tensor.dtype !== "float32") continue;
    const values = decodeElements("float32", materialize(tensor.data));
    const [rows, columns] = tensor.shape as [number, number];
    const turned = layout === "in,out";
    const data = turned
      ? Float64Array.from({ length: values.length }, (_, i) => {
          return values[(i % rows) * columns + Math.floor(i / rows)]!;
        })
      : values;
    const shape = turned ? [columns, rows] : tensor.shape;
    tensors.set(name, { dtype: "float32", shape, data: inMemory(encodeElements("float32", data)) });
  }
  return tensors;
}

const fileOf = (tensors: Map<string, StoredTensor>, site: string | null = null): WeightFile => ({
  path: "w.safetensors",
  site,
  tensors,
});

function load(
  model: Model,
  files: WeightFile[],
  rest: Partial<Parameters<typeof loadWeights>[2]> = {},
) {
  return loadWeights(model, files, {
    anatomy: anatomize(model),
    added: [],
    partial: false,
    ...rest,
  });
}

/** The linear weights of blocks by the names of the public checkpoints. */
const blockWeights = [
  "adaLN_modulation.1.weight",
  "attn.qkv.weight",
  "attn.proj.weight",
  "mlp.fc1.weight",
  "mlp.fc2.weight",
].flatMap((tensor) => Array.from({ length: 6 }, (_, i) => `blocks.${i}.${tensor}`));

describe.each(names)("%s", (name) => {
  test("loads what another export has, though names were lost", async () => {
    const source = stateDict(await read(fixture("dit-tiny-dynamo18-static")));
    // Norms without weights of their own are exported with ones, which no checkpoint has.
    const wanted = new Map([...source].filter(([key]) => !/^val_|norm/.test(key)));
    expect([...wanted.keys()]).toEqual(expect.arrayContaining(blockWeights));
    const model = await read(fixture(name));
    const scrambled = [...wanted.keys()].map((key) => slotsOf(model, []).get(key)!.value);
    reweigh(
      model,
      [...new Set(scrambled)].map((value) => [value, (values) => values.fill(0.01)]),
    );
    load(model, [fileOf(wanted)]);
    const { feeds, outputs } = recorded(name);
    const { difference, scale } = distance(outputs.out!, (await run(model, feeds)).out!);
    expect(difference / scale).toBeLessThan(1e-5);
  });
});

const shapes = {
  "in_proj.weight": [192, 64],
  "in_proj.bias": [192],
  "short_filter.weight": [192, 1, 4],
  "short_filter.bias": [192],
  "out_proj.weight": [64, 64],
  "out_proj.bias": [64],
};

function hyena(
  prefix: string,
  dtype: "float32" | "float16" = "float32",
): Map<string, StoredTensor> {
  return new Map(
    Object.entries(shapes).map(([name, shape], k) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const values = Float64Array.from({ length: count }, (_, i) => Math.sin(i + k) / 3);
      return [`${prefix}${name}`, { dtype, shape, data: inMemory(encodeElements(dtype, values)) }];
    }),
  );
}

const stored = (model: Model, name: string) => {
  const { dtype, shape, data } = model.graph.values.get(name)!.initializer!;
  return { dtype, shape, values: decodeElements(dtype, materialize(data)) };
};

test.each([
  ["by their full names", "blocks.1.attn.", null],
  ["by the names of a site of its own", "", "blocks[1].attn"],
])("published weights load %s, turned as the model has them", async (_, prefix, site) => {
  const { model, report } = await edit(
    fixture("dit-tiny-dynamo20"),
    "replace blocks[1].attn with hyena_x",
  );
  const tensors = hyena(prefix);
  load(model, [fileOf(tensors, site)], { added: report.weights });
  const given = decodeElements(
    "float32",
    materialize(tensors.get(`${prefix}in_proj.weight`)!.data),
  );
  const { shape, values } = stored(model, "blocks.1.attn.in_proj.weight");
  expect(shape).toEqual([64, 192]);
  for (let row = 0; row < 192; row++) {
    for (let column = 0; column < 64; column++) {
      expect(values[column * 192 + row]).toBe(given[row * 64 + column]);
    }
  }
  const filter = model.graph.values.get("blocks.1.attn.short_filter.weight")!.initializer!;
  expect(filter.data).toBe(tensors.get(`${prefix}short_filter.weight`)!.data);
});

test("a float16 model rounds float32 weights to nearest", async () => {
  const { model, report } = await edit(
    fixture("dit-tiny-dynamo20-fp16"),
    "replace blocks[1].attn with hyena_x",
  );
  load(model, [fileOf(hyena("blocks.1.attn."))], { added: report.weights });
  const { dtype, values } = stored(model, "blocks.1.attn.short_filter.bias");
  expect(dtype).toBe("float16");
  const k = Object.keys(shapes).indexOf("short_filter.bias");
  const rounded = decodeElements(
    "float16",
    encodeElements(
      "float16",
      Float64Array.from({ length: 192 }, (_, i) => Math.fround(Math.sin(i + k) / 3)),
    ),
  );
  expect([...values]).toEqual([...rounded]);
});

describe("what does not fit", () => {
  async function messages(
    change: (tensors: Map<string, StoredTensor>) => void,
    partial = false,
    name = "dit-tiny-dynamo20",
  ) {
    const { model, report } = await edit(fixture(name), "replace blocks[1].attn with hyena_x");
    const tensors = hyena("blocks.1.attn.");
    change(tensors);
    try {
      const notes = load(model, [fileOf(tensors)], { added: report.weights, partial });
      return notes.map(({ severity, code, message }) => `${severity} ${code}: ${message}`);
    } catch (cause) {
      return (cause as GraftError).diagnostics.map(({ code, message, notes }) =>
        [`${code}: ${message}`, ...notes].join(" / "),
      );
    }
  }

  const tensor = (shape: number[], dtype: "float32" | "int64" = "float32"): StoredTensor => {
    const count = shape.reduce((a, b) => a * b, 1);
    return { dtype, shape, data: inMemory(encodeElements(dtype, new Float64Array(count))) };
  };

  test("names that mean nothing, with the nearest", async () => {
    expect(await messages((t) => t.set("blocks.1.attn.in_prj.bias", tensor([192])))).toEqual([
      "weights-unused: w.safetensors has 1 name without a meaning in this model: `blocks.1.attn.in_prj.bias` / the nearest to `blocks.1.attn.in_prj.bias` is `blocks.1.attn.in_proj.bias` / `--weights-partial` loads what there is",
    ]);
  });

  test("names that a trainer's own module stands in front of", async () => {
    const [unused] = await messages((tensors) => {
      const all = [...tensors];
      tensors.clear();
      for (const [name, each] of all) tensors.set(`module.${name}`, each);
    });
    expect(unused).toContain("without `module.` in front, 6 of 6 names would have a meaning");
  });

  test("weights that no file has", async () => {
    const drop = (t: Map<string, StoredTensor>) => t.delete("blocks.1.attn.out_proj.bias");
    expect(await messages(drop)).toEqual([
      "weights-missing: No file has 1 weight that the edits added: `blocks.1.attn.out_proj.bias` / `--weights-partial` loads what there is",
    ]);
    expect(await messages(drop, true)).toEqual([
      "note weights-missing-note: No file has 1 weight, left as started: `blocks.1.attn.out_proj.bias`",
    ]);
  });

  test("what two files give is said, and is the later one's", async () => {
    const { model, report } = await edit(
      fixture("dit-tiny-dynamo20"),
      "replace blocks[1].attn with hyena_x",
    );
    const name = "blocks.1.attn.out_proj.bias";
    const later = new Map([
      [name, { ...tensor([64]), data: inMemory(new Uint8Array(256).fill(1)) }],
    ]);
    const files = [fileOf(hyena("blocks.1.attn.")), { ...fileOf(later), path: "late.safetensors" }];
    const said = load(model, files, { added: report.weights });
    expect(said.map(({ severity, message }) => `${severity}: ${message}`)).toEqual([
      `warning: late.safetensors replaces 1 weight that w.safetensors gave: \`${name}\``,
    ]);
    const { data } = model.graph.values.get(name)!.initializer!;
    expect(materialize(data).every((byte) => byte === 1)).toBe(true);
  });

  test("other shapes, the transposed one too, and other types", async () => {
    expect(
      await messages((t) => {
        t.set("blocks.1.attn.in_proj.weight", tensor([64, 192]));
        t.set("blocks.1.attn.in_proj.bias", tensor([192], "int64"));
      }),
    ).toEqual([
      "weights-shape: w.safetensors: `blocks.1.attn.in_proj.weight` is [64, 192], and the model needs [192, 64]",
      "weights-type: w.safetensors: `blocks.1.attn.in_proj.bias` is int64, and the model needs float32",
    ]);
  });

  test("NaN, infinity, and what is beyond the type of the model", async () => {
    const spoiled = (value: number) => (t: Map<string, StoredTensor>) => {
      const name = "blocks.1.attn.in_proj.weight";
      const values = Float64Array.from({ length: 192 * 64 }, (_, i) =>
        i === 64 * 3 + 5 ? value : 0,
      );
      t.set(name, { ...t.get(name)!, data: inMemory(encodeElements("float32", values)) });
    };
    const said = (value: string, dtype: string) => [
      `weights-not-finite: w.safetensors: \`blocks.1.attn.in_proj.weight\` holds ${value} at [3, 5], which is not finite in ${dtype} / it would be \`blocks.1.attn.in_proj.weight\` of blocks[1].attn`,
    ];
    expect(await messages(spoiled(Number.NaN))).toEqual(said("NaN", "float32"));
    expect(await messages(spoiled(Number.NEGATIVE_INFINITY))).toEqual(said("-Infinity", "float32"));
    expect(await messages(spoiled(1e5))).toEqual([]);
    const half = await messages(spoiled(1e5), false, "dit-tiny-dynamo20-fp16");
    expect(half).toEqual(said("100000", "float16"));
  });

  test("a site that is not there", async () => {
    const model = await read(fixture("dit-tiny-dynamo20"));
    expect(() => load(model, [fileOf(hyena(""), "blocks[9].attn")])).toThrow(
      /weights-site.*blocks\[9\]\.attn/,
    );
  });
});

test("weights of copies and merges load by their names", async () => {
  const model = await read(fixture("dit-tiny-dynamo20"));
  const { report } = await editModel(
    model,
    "repeat blocks[1] times 2\nparallelize blocks[2, 3] by 2",
  );
  const tensors = new Map(
    report.weights.map(({ name, layout }): [string, StoredTensor] => {
      const { dtype, shape } = model.graph.values.get(name)!.initializer!;
      const given = layout === "in,out" ? shape.toReversed() : shape;
      const count = shape.reduce((a, b) => a * b, 1);
      const values = Float64Array.from({ length: count }, (_, i) => i % 7);
      return [name, { dtype, shape: given, data: inMemory(encodeElements("float32", values)) }];
    }),
  );
  expect(load(model, [fileOf(tensors)], { added: report.weights })).toEqual([]);
  const { values } = stored(model, "blocks.1.copy1.mlp.fc2.weight");
  expect(values[1]).toBe(256 % 7);
});

describe("weights that the model holds in its own way", () => {
  const random = (shape: number[], seed: number): StoredTensor => {
    const count = shape.reduce((a, b) => a * b, 1);
    const values = Float64Array.from({ length: count }, (_, i) => Math.sin(i * seed + 1));
    return { dtype: "float32", shape, data: inMemory(encodeElements("float32", values)) };
  };
  const valuesOf = (model: Model, name: string) => [
    ...decodeElements("float32", materialize(model.graph.values.get(name)!.initializer!.data)),
  ];

  /** A table that a head reads turned, and a product with a matrix of PyTorch's own layout. */
  async function tied(producer = "pytorch"): Promise<Model> {
    const model = await grown((root, x) => {
      const { patch } = root;
      const table = patch.weight("wte.weight", "float32", [5, width], random([5, width], 3).data);
      const values = decodeElements("float32", materialize(random([5, width], 3).data));
      const turned = Float64Array.from({ length: 5 * width }, (_, i) => {
        return values[(i % 5) * width + Math.floor(i / 5)]!;
      });
      const copy = inMemory(encodeElements("float32", turned));
      const head = patch.weight("val_7", "float32", [width, 5], copy);
      const proj = patch.weight(
        "c_proj.weight",
        "float32",
        [width, width],
        random([width, width], 5).data,
      );
      const row = patch.one("Gather", [table, patch.ints([2])]);
      const logits = patch.one("MatMul", [
        patch.one("MatMul", [patch.one("Add", [x, row]), proj]),
        head,
      ]);
      return patch.one("Add", [
        x,
        patch.one("ReduceMax", [logits], { attributes: { keepdims: 1 } }),
      ]);
    });
    return { ...model, producer: { name: producer, version: "" } };
  }

  test("a head that shares the table of embeddings follows it, and that is said", async () => {
    const model = await tied();
    const table = random([5, width], 11);
    const said = load(model, [fileOf(new Map([["wte.weight", table]]))]);
    expect(said.map(({ code }) => code)).toEqual(["weights-tied"]);
    const [rows, turned] = [valuesOf(model, "wte.weight"), valuesOf(model, "val_7")];
    expect(rows.map((_, i) => turned[(i % width) * 5 + Math.floor(i / width)])).toEqual(rows);
  });

  test.each([
    ["pytorch", false],
    ["graftc", true],
  ])("a matrix under PyTorch's own name, by %s", async (producer, isTurned) => {
    const model = await tied(producer);
    const given = random([width, width], 13);
    load(model, [fileOf(new Map([["c_proj.weight", given]]))]);
    const values = [...decodeElements("float32", materialize(given.data))];
    const turned = values.map((_, i) => values[(i % width) * width + Math.floor(i / width)]);
    expect(valuesOf(model, "c_proj.weight")).toEqual(isTurned ? turned : values);
  });

  test("axes of one that an exporter folded into a table", async () => {
    const model = await tied();
    const table = random([5, width], 11);
    const said = load(model, [
      fileOf(new Map([["wte.weight", { ...table, shape: [1, 5, width] }]])),
    ]);
    expect(said.map(({ code }) => code)).toEqual(["weights-tied"]);
    expect(valuesOf(model, "wte.weight")).toEqual([
      ...decodeElements("float32", materialize(table.data)),
    ]);
  });

  test("a matrix that two modules read turned has room for one", async () => {
    const model = await grown((root, x) => {
      const { patch } = root;
      const w = patch.weight("a.weight", "float32", [width, width], random([width, width], 3).data);
      const turned = patch.one("Transpose", [w], { attributes: { perm: [1, 0] } });
      const product = (path: string, y: Value) => g.op(g.at(root, path), "MatMul", [y, turned]);
      return product("b", product("a", x));
    });
    const file = fileOf(
      new Map([
        ["a.weight", random([width, width], 5)],
        ["b.weight", random([width, width], 7)],
      ]),
    );
    expect(() => load(model, [file])).toThrow("weights-contradict");
  });

  test("names of one initializer that differ get their own", async () => {
    const model = await read(fixture("dit-tiny-dynamo20"));
    const shared = new Map<Value, string[]>();
    for (const [name, { value }] of slotsOf(model, [])) {
      if (name !== value.name) shared.set(value, [...(shared.get(value) ?? []), name]);
    }
    const [value, names] = [...shared].find(([, all]) => all.length > 2)!;
    const shape = [...value.initializer!.shape];
    const tensors = new Map(names.map((name, i) => [name, random(shape, 3 + i)]));
    load(model, [fileOf(tensors)]);
    const stored = [...model.graph.initializers].map(({ initializer }) => {
      return Buffer.from(materialize(initializer!.data)).toString("hex");
    });
    for (const { data } of tensors.values()) {
      expect(stored).toContain(Buffer.from(materialize(data)).toString("hex"));
    }
    await run(model, recorded("dit-tiny-dynamo20").feeds);
    const kept = await read(fixture("dit-tiny-dynamo20"));
    const same = new Map(names.map((name) => [name, random(shape, 3)]));
    expect(load(kept, [fileOf(same)])).toEqual([]);
    expect(kept.graph.initializers.size).toBe(model.graph.initializers.size - names.length + 1);
  });
});
