import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { conversionOf } from "../../../runtime/train/data/convert.ts";
import { type DataTensor, openData } from "../../../runtime/train/data/dataset.ts";
import { GraftError } from "../../../src/diag/diagnostic.ts";
import type { DType } from "../../../src/ir/types.ts";
import { numbersOf } from "../../../src/onnx-ops/numbers.ts";
import { freshFolder } from "../../onnx/fixtures.ts";

const fixtures = "test/fixtures/train";
const formats = join(fixtures, "formats");
/** What NumPy says is in the files. */
const values: Record<string, number[]> = JSON.parse(
  readFileSync(join(fixtures, "values.json"), "utf8"),
);

async function tensorOf(path: string, name: string): Promise<DataTensor> {
  const tensor = (await openData(path)).tensors.get(name)!;
  if (tensor.kind === "unusable") throw new Error(tensor.why);
  return tensor;
}

async function valuesOf(path: string, name: string, samples: readonly number[]) {
  const tensor = await tensorOf(path, name);
  return [...(numbersOf(tensor.dtype, (await tensor.open()).read(samples)) as Float64Array)];
}

/** Of these samples, 7 in all. */
function expected(name: string, samples: readonly number[]): number[] {
  const size = values[name]!.length / 7;
  return samples.flatMap((i) => values[name]!.slice(i * size, (i + 1) * size));
}

async function messageOf(path: string): Promise<string> {
  const cause = await openData(path).catch((error: unknown) => error);
  if (!(cause instanceof GraftError)) throw cause;
  return cause.diagnostics[0]!.message.replaceAll(/\/\S*\/(?=[^/\s]+)/g, "");
}

const someOrder = [6, 0, 1, 2, 2, 5];

describe("what NumPy and safetensors wrote is read:", () => {
  const files: [file: string, name: string, dtype: DType, expected: string][] = [
    ["f4.npy", "f4", "float32", "f4"],
    ["f8.npy", "f8", "float64", "latents"],
    ["big_f8.npy", "big_f8", "float64", "latents"],
    ["f2.npy", "f2", "float16", "f2"],
    ["u1.npy", "u1", "uint8", "x"],
    ["column.npy", "column", "int64", "y"],
    ["stored.npz", "x", "uint8", "x"],
    ["stored.npz", "latents", "float64", "latents"],
    ["deflated.npz", "x", "uint8", "x"],
    ["deflated.npz", "y", "int64", "y"],
    ["deflated.npz", "latents", "float64", "latents"],
    ["data.safetensors", "latents", "float16", "f2"],
    ["data.safetensors", "y", "int64", "y"],
  ];
  test.each(files)("%s: %s, %s", async (file, name, dtype, same) => {
    const tensor = await tensorOf(join(formats, file), name);
    expect([tensor.dtype, tensor.samples]).toEqual([dtype, 7]);
    expect(await valuesOf(join(formats, file), name, someOrder)).toEqual(expected(same, someOrder));
  });

  test("integers of big machines, and truth values", async () => {
    const y = expected("y", someOrder);
    const big = await valuesOf(join(formats, "big_i2.npy"), "big_i2", someOrder);
    expect(big).toEqual(y.map((label) => label - 5));
    const truth = await valuesOf(join(formats, "b1.npy"), "b1", someOrder);
    expect(truth).toEqual(y.map((label) => (label > 4 ? 1 : 0)));
  });

  test.each(["shards", "columns"])("a folder of %s, in the order of numbers", async (folder) => {
    for (const name of ["x", "y"]) {
      const path = join(fixtures, folder);
      expect(await valuesOf(path, name, someOrder)).toEqual(expected(name, someOrder));
    }
  });
});

test("a compressed member is inflated once, and leaves nothing behind", async () => {
  const folder = freshFolder();
  vi.stubEnv("TMPDIR", folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  const tensor = await tensorOf(join(formats, "deflated.npz"), "x");
  const rows = await tensor.open();
  expect(readdirSync(folder)).toEqual([]);
  expect(await tensor.open()).toBe(rows);
  vi.stubEnv("TMPDIR", join(folder, "none"));
  const another = await tensorOf(join(formats, "deflated.npz"), "x");
  await expect(another.open()).rejects.toThrow(GraftError);
});

describe("nothing can be read of", () => {
  const files: [string, string][] = [
    ["fortran", "is in Fortran order: save np.ascontiguousarray of it"],
    ["complex", "holds complex numbers"],
    ["text", "holds text"],
    ["records", "holds records"],
    ["objects", "holds Python objects"],
    ["scalar", "is a single number, without a dimension of samples"],
  ];
  test.each(files)("%s", async (name, why) => {
    const { tensors } = await openData(join(formats, `${name}.npy`));
    expect(tensors.get(name)).toMatchObject({ kind: "unusable", why });
  });
});

describe("damaged or foreign:", () => {
  function damaged(name: string, change: (bytes: Buffer) => Buffer): string {
    const path = join(freshFolder(), name);
    writeFileSync(path, change(readFileSync(join(formats, name))));
    return path;
  }
  const cut = (share: number) => (bytes: Buffer) =>
    bytes.subarray(0, Math.floor(bytes.length * share));

  test("cut off", async () => {
    expect(await messageOf(damaged("f4.npy", cut(0.9)))).toBe(
      "f4.npy is not a valid npy file: its elements take 168 bytes and it has 138 of them",
    );
    expect(await messageOf(damaged("f4.npy", (bytes) => bytes.subarray(0, 60)))).toBe(
      "f4.npy is not a valid npy file: its header does not end",
    );
    expect(await messageOf(damaged("stored.npz", cut(0.5)))).toMatch(
      /^stored.npz is not a valid npz file: end of central directory record signature not found/,
    );
    expect(await messageOf(damaged("data.safetensors", cut(0.9)))).toMatch(
      /^data.safetensors is not a valid safetensors file: "\w+" lies outside of it$/,
    );
  });

  test("compressed bytes that are not those of the checksum", async () => {
    const path = damaged("deflated.npz", (bytes) => {
      bytes[bytes.indexOf("PK\x01\x02", 0, "latin1") + 16]! ^= 4;
      return bytes;
    });
    const tensor = (await openData(path)).tensors.get("x") as DataTensor;
    await expect(tensor.open()).rejects.toThrow(
      /deflated.npz is not a valid npz file: "x" is damaged/,
    );
  });

  test("not data at all", async () => {
    const folder = freshFolder();
    writeFileSync(join(folder, "data.txt"), "1 2 3");
    expect(await messageOf(join(folder, "data.txt"))).toMatch(/^data.txt is no data to train on/);
    expect(await messageOf(folder)).toMatch(/has no .safetensors, .npz or .npy file$/);
    expect(await messageOf(join(folder, "none.npz"))).toBe(
      "none.npz cannot be read: there is no such file",
    );
    writeFileSync(join(folder, "x.npy"), "PK");
    expect(await messageOf(join(folder, "x.npy"))).toBe(
      "x.npy is not a valid npy file: it does not begin as one",
    );
  });

  test("shards that do not continue each other", async () => {
    const folder = freshFolder();
    mkdirSync(join(folder, "x"));
    copyFileSync(join(fixtures, "shards/part-2.npz"), join(folder, "a.npz"));
    copyFileSync(join(formats, "deflated.npz"), join(folder, "b.npz"));
    expect(await messageOf(folder)).toBe(
      "b.npz does not continue a.npz: it has latents, x, y, and the other x, y",
    );
    copyFileSync(join(formats, "f4.npy"), join(folder, "x/x.0.npy"));
    copyFileSync(join(formats, "f8.npy"), join(folder, "x/x.1.npy"));
    expect(await messageOf(join(folder, "x"))).toBe(
      "x.1.npy does not continue x.0.npy: a sample of `x` is float64[2, 3], and float32[2, 3] in the other",
    );
  });
});

describe("conversions", () => {
  async function converted(file: string, name: string, to: DType, role: "sample" | "condition") {
    const tensor = await tensorOf(join(formats, file), name);
    const bytes = (await tensor.open()).read(someOrder);
    return [...(numbersOf(to, conversionOf(tensor.dtype, to, role)!(bytes)) as Float64Array)];
  }

  test("images become -1 to 1", async () => {
    const images = await converted("u1.npy", "u1", "float32", "sample");
    images.forEach((value, i) => {
      expect(Math.abs(value - expected("image", someOrder)[i]!)).toBeLessThanOrEqual(2 ** -24);
    });
  });

  test("numbers keep their values", async () => {
    const f4 = expected("f4", someOrder);
    expect(await converted("f8.npy", "f8", "float32", "sample")).toEqual(f4);
    expect(await converted("f2.npy", "f2", "float32", "sample")).toEqual(expected("f2", someOrder));
    expect(await converted("f4.npy", "f4", "float16", "sample")).toEqual(expected("f2", someOrder));
    const labels = expected("y", someOrder).map((label) => label - 5);
    for (const to of ["int64", "int32", "float32"] as const) {
      expect(await converted("big_i2.npy", "big_i2", to, "condition")).toEqual(labels);
    }
  });

  test("what means something else is refused", () => {
    expect(conversionOf("float32", "int64", "condition")).toBe(null);
    expect(conversionOf("int32", "float32", "sample")).toBe(null);
    expect(conversionOf("bool", "float32", "condition")).toBe(null);
  });
});
