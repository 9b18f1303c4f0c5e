/** Damaged files: a diagnostic, or a model that is written as it was read. Nothing else. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { onnx } from "onnx-proto";
import { describe, expect, test } from "vitest";
import { GraftError } from "../../src/diag/diagnostic.ts";
import type { Initializer } from "../../src/ir/graph.ts";
import { encodeModel } from "../../src/onnx/encode-model.ts";
import type { Home } from "../../src/onnx/encode-tensor.ts";
import { ExternalData, normalizedLocation } from "../../src/onnx/external-data.ts";
import { encodeProbe, readModel, tensorBytes, writeModel } from "../../src/onnx/index.ts";
import { originOf } from "../../src/onnx/origin.ts";
import { readModelFrom } from "../../src/onnx/read-model.ts";
import { Rope } from "../../src/onnx/rope.ts";
import { Source } from "../../src/onnx/source.ts";
import { backendModels, codesOf, everything, freshFolder } from "./fixtures.ts";
import { changed } from "./wire.ts";

const original = readFileSync(everything);

/**
 * Reads bytes as the file everything.onnx and does what a compile would: every value, a probe, an
 * edit. Any throw but a GraftError fails the test.
 */
function attempt(bytes: Uint8Array): "read" | "refused" {
  try {
    const data = new ExternalData(resolve(everything), false);
    const model = readModelFrom(Source.hold(everything, bytes), data);
    const entries = originOf.model(model).external.map((t) => originOf.tensor(t).external!);
    if (entries.every(({ location, offset }) => location && /^\d+$/.test(offset ?? "0"))) {
      expect(Buffer.from(encodeModel(model, asRead).flatten()).equals(bytes)).toBe(true);
    }
    const { graph } = model;
    for (const { initializer } of graph.initializers) {
      try {
        if (initializer) tensorBytes(initializer);
      } catch (cause) {
        if (!(cause instanceof GraftError)) throw cause;
      }
    }
    for (const node of graph.nodes) {
      node.name += "!";
      node.metadata = new Map([...node.metadata, ["a", "b"]]);
    }
    model.metadata.set("a", "b");
    encodeModel(model, () => "inline");
    encodeProbe(model, { inputs: [], outputs: [], keep: () => false });
    return "read";
  } catch (cause) {
    if (cause instanceof GraftError) return "refused";
    throw cause;
  }
}

/** Every tensor's data stays where the file says that it is. */
function asRead(tensor: Initializer): Home {
  const { external } = originOf.tensor(tensor);
  if (!external) return "inline";
  const { location = "", offset = 0 } = external;
  return { location: normalizedLocation(location), offset: Number(offset), length: 0 };
}

type Mutation = { readonly kind: number; readonly at: number; readonly with: number };

function mutated(bytes: Uint8Array, mutations: readonly Mutation[]): Uint8Array {
  return mutations.reduce<Uint8Array>((now, { kind, at, with: value }) => {
    const place = Math.floor(at * now.length);
    const length = 1 + (value % 64);
    const [before, after] = [now.subarray(0, place), now.subarray(place)];
    if (kind === 0) return Buffer.concat([before, Buffer.of(value & 255), after.subarray(1)]);
    if (kind === 1) return Buffer.concat([before, after.subarray(length)]);
    if (kind === 2) return Buffer.concat([before, after.subarray(0, length), after]);
    if (kind === 3) return Buffer.concat([before, new Uint8Array(length % 12).fill(255), after]);
    return Buffer.concat([before, Buffer.from(now.subarray(place)).reverse(), before]);
  }, bytes);
}

const mutations = fc.array(
  fc.record({
    kind: fc.nat(3),
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    with: fc.nat(1000),
  }),
  { minLength: 1, maxLength: 6 },
);

describe("fuzzing", () => {
  const small = backendModels().filter(({ bytes }) => bytes.length < 4000);

  test("mutations of a model that uses all of the format", () => {
    const outcomes = { read: 0, refused: 0 };
    fc.assert(
      fc.property(mutations, (list) => {
        outcomes[attempt(mutated(original, list))]++;
      }),
      { numRuns: 1500, seed: 1 },
    );
    expect(Math.min(outcomes.read, outcomes.refused)).toBeGreaterThan(50);
  });

  test("mutations of ONNX's own models", () => {
    fc.assert(
      fc.property(fc.nat(small.length - 1), mutations, (i, list) => {
        attempt(mutated(small[i]!.bytes, list));
      }),
      { numRuns: 4000, seed: 2 },
    );
  });

  test("truncation at any place", () => {
    for (let length = 0; length < original.length; length += 41) {
      attempt(original.subarray(0, length));
    }
  });

  test("garbage", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        attempt(bytes);
      }),
      { numRuns: 3000, seed: 3 },
    );
  });
});

const number = { graph: 7, node: 1, attribute: 5, g: 6, initializer: 5 };

describe("refused by name", () => {
  const codes = async (bytes: Uint8Array): Promise<string[]> => {
    const path = join(freshFolder(), "model.onnx");
    writeFileSync(path, bytes);
    return codesOf(() => readModel(path));
  };
  const graph = (fields: onnx.IGraphProto) => onnx.ModelProto.encode({ graph: fields }).finish();
  const node = (opType: string, input: string[], output: string[]): onnx.INodeProto => {
    return { opType, name: `${opType} of ${output}`, input, output };
  };

  const files: [string, Uint8Array, string][] = [
    ["an empty file", Buffer.alloc(0), "model-other"],
    [
      "a Git LFS pointer",
      Buffer.from("version https://git-lfs.github.com/spec/v1\n"),
      "model-other",
    ],
    ["a PyTorch archive", Buffer.from("PK\x03\x04data"), "model-other"],
    ["an ORT model", Buffer.from("\x08\0\0\0ORTMrest"), "model-other"],
    ["text", Buffer.from("this is no model at all"), "model-malformed"],
    [
      "a message without a graph",
      onnx.ModelProto.encode({ producerName: "p" }).finish(),
      "model-empty",
    ],
    [
      "a name that nothing defines",
      graph({ node: [node("Relu", ["x"], ["y"])], output: [{ name: "y" }] }),
      "value-undefined",
    ],
    ["an output that nothing defines", graph({ output: [{ name: "y" }] }), "value-undefined"],
    [
      "two nodes that make one value",
      graph({
        input: [{ name: "x" }],
        node: [node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])],
      }),
      "value-duplicate",
    ],
    [
      "a cycle",
      graph({
        input: [{ name: "x" }],
        node: [
          node("Add", ["x", "c"], ["a"]),
          node("Neg", ["a"], ["b"]),
          node("Abs", ["b"], ["c"]),
        ],
      }),
      "graph-cycle",
    ],
    ["a node that reads itself", graph({ node: [node("Neg", ["a"], ["a"])] }), "graph-cycle"],
    [
      "raw data of the wrong length",
      graph({ initializer: [{ name: "w", dataType: 1, dims: [2], rawData: new Uint8Array(7) }] }),
      "tensor-size",
    ],
    [
      "too few values",
      graph({ initializer: [{ name: "w", dataType: 7, dims: [3], int64Data: [1, 2] }] }),
      "tensor-size",
    ],
    [
      "values in the field of another type",
      graph({ initializer: [{ name: "w", dataType: 1, dims: [2], int32Data: [1, 2] }] }),
      "tensor-size",
    ],
    ["an element type of zero", graph({ initializer: [{ name: "w", dims: [] }] }), "tensor-type"],
    [
      "an element type of the future",
      graph({ initializer: [{ name: "w", dataType: 99, dims: [] }] }),
      "tensor-type",
    ],
  ];
  test.each(files)("%s", async (_, bytes, code) => expect(await codes(bytes)).toEqual([code]));

  test("graphs in graphs without end", async () => {
    let body = new Rope().text(2, "deep");
    for (let i = 0; i < 2000; i++) {
      const attribute = new Rope().text(1, "body").message(number.g, body).int(20, 5);
      const inner = new Rope().text(4, "If").message(number.attribute, attribute);
      body = new Rope().message(number.node, inner);
    }
    const bytes = new Rope().message(number.graph, body).flatten();
    expect(await codes(bytes)).toEqual(["graph-depth"]);
  });

  test("groups in groups without end", async () => {
    expect(await codes(Buffer.alloc(100_000, 0x0b))).toEqual(["model-malformed"]);
  });

  test("lengths beyond the end, without allocating them", async () => {
    const claim = Buffer.from("3affffffff7f", "hex");
    const before = process.memoryUsage().arrayBuffers;
    expect(await codes(claim)).toEqual(["model-malformed"]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 24);
  });

  test("places that cannot be read", async () => {
    const folder = freshFolder();
    expect(await codesOf(() => readModel(join(folder, "none.onnx")))).toEqual(["file-unreadable"]);
    expect(await codesOf(() => readModel(folder))).toEqual(["file-unreadable"]);
    mkdirSync(join(folder, "sub"));
  });
});

test("nodes out of order are fine, and stay out of order", async () => {
  const folder = freshFolder();
  const bytes = onnx.ModelProto.encode({
    graph: {
      input: [{ name: "x" }],
      node: [
        { opType: "Neg", input: ["a"], output: ["y"] },
        { opType: "Abs", input: ["x"], output: ["a"] },
      ],
      output: [{ name: "y" }],
    },
  }).finish();
  writeFileSync(join(folder, "model.onnx"), bytes);
  const model = await readModel(join(folder, "model.onnx"));
  expect(model.graph.nodes.map(({ opType }) => opType)).toEqual(["Neg", "Abs"]);
  await writeModel(model, join(folder, "out.onnx"));
  expect(readFileSync(join(folder, "out.onnx")).equals(Buffer.from(bytes))).toBe(true);
});

test("encodings that no writer of today uses are kept, and understood", async () => {
  const folder = freshFolder();
  const nodes = [
    new Rope().text(2, "a").text(1, "x").text(4, "Neg").text(4, "Abs"), // op_type twice: the last
    new Rope().text(4, "Neg").text(1, "a").text(2, "y").text(3, "last"),
  ];
  const longVarint = Buffer.from("0888808000", "hex"); // ir_version 8 in four bytes
  const group = Buffer.from("9b06080b9c06", "hex"); // an unknown group, field 99
  const part = (node: Rope) => new Rope().message(number.node, node);
  const ports = new Rope()
    .message(11, new Rope().text(1, "x"))
    .message(12, new Rope().text(1, "y"));
  const bytes = new Rope()
    .message(number.graph, part(nodes[0]!))
    .memory(longVarint)
    .memory(group)
    .message(number.graph, part(nodes[1]!).rope(ports)) // a graph in two pieces is their sum
    .flatten();
  const path = join(folder, "model.onnx");
  writeFileSync(path, bytes);
  const model = await readModel(path);
  expect(model.irVersion).toBe(8);
  expect(model.graph.nodes.map(({ opType }) => opType)).toEqual(["Abs", "Neg"]);
  await writeModel(model, join(folder, "out.onnx"));
  expect(readFileSync(join(folder, "out.onnx")).equals(Buffer.from(bytes))).toBe(true);
  model.metadata.set("a", "b");
  await writeModel(model, join(folder, "out.onnx"));
  const withEntry = readFileSync(join(folder, "out.onnx"));
  expect(changed(bytes, withEntry)).toEqual({ gone: [], added: [14] });
  model.graph.nodes[1]!.name = "renamed";
  await writeModel(model, join(folder, "out.onnx"));
  const edited = await readModel(join(folder, "out.onnx"));
  expect(edited.graph.nodes.map(({ opType, name }) => [opType, name])).toEqual([
    ["Abs", ""],
    ["Neg", "renamed"],
  ]);
  expect(readFileSync(join(folder, "out.onnx")).includes(group)).toBe(true);
});
