import { describe, expect, test } from "vitest";
import { slotsOf } from "../../passes/graph/state-dict.ts";
import type { GraftError } from "../../src/diag/diagnostic.ts";
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import type { Model } from "../../src/ir/graph.ts";
import type { StoredTensor } from "../../src/onnx/index.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";
import { reweigh } from "./silenced.ts";
import { fileOf, load } from "./weight-files.ts";
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
