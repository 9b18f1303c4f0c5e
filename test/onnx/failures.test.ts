/** A write that fails leaves things as they were. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { buildSync } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import type { Initializer, Model } from "../../src/ir/graph.ts";
import { abandonWrites, beginWrite, readModel, writeModel } from "../../src/onnx/index.ts";
import { codesOf, everything, filesIn, freshFolder } from "./fixtures.ts";

const external = "test/fixtures/models/dit-tiny-external.onnx";

/** The model with one weight whose bytes `compute` makes when they are written. */
function withWeight(model: Model, length: number, compute: () => Uint8Array): Model {
  const value = [...model.graph.initializers].find(
    ({ initializer }) => initializer!.shape.length > 0,
  )!;
  const { metadata } = value.initializer!;
  const weight: Initializer = {
    dtype: "uint8",
    shape: [length],
    data: { kind: "computed", length, compute },
    metadata,
    origin: null,
  };
  value.initializer = weight;
  return model;
}

test("OUT that is a folder, a device or nowhere is refused before anything is done", async () => {
  const folder = freshFolder();
  const model = await readModel(everything);
  const codes = (out: string) => codesOf(() => writeModel(model, out));
  expect(await codes(folder)).toEqual(["out-folder"]);
  expect(await codes(join(folder, "no", "out.onnx"))).toEqual(["out-nowhere"]);
  writeFileSync(join(folder, "file"), "");
  expect(await codes(join(folder, "file", "out.onnx"))).toEqual(["out-nowhere"]);
  expect(await codes("/dev/null")).toEqual(["out-unwritable"]);
  expect(await codes(join(folder, "out.onnx/"))).toEqual(["out-folder"]);
  expect(await codes("")).toEqual(["out-folder"]);
  expect(await codes("-")).toEqual(["out-unwritable"]);
  for (const stream of ["/dev/stdout", "/proc/self/fd/1"]) {
    const link = join(folder, "link");
    symlinkSync(stream, link);
    expect(await codes(stream)).toEqual(["out-unwritable"]);
    expect(await codes(link)).toEqual(["out-unwritable"]);
    expect(readlinkSync(link)).toBe(stream);
    rmSync(link);
  }
  expect(await codes(join(folder, `${"long".repeat(70)}.onnx`))).toEqual(["out-unwritable"]);
  expect(await codes(`${folder}${"/long".repeat(2000)}`)).toEqual(["out-unwritable"]);
  mkdirSync(join(folder, "other.onnx.data"));
  const withData = await readModel(external);
  const blocked = await codesOf(() => writeModel(withData, join(folder, "other.onnx")));
  expect(blocked).toEqual(["out-folder"]);
  expect(Object.keys(filesIn(folder))).toEqual(["file"]);
});

test.skipIf(process.getuid?.() === 0)(
  "a folder that may not be written to is refused",
  async () => {
    const folder = freshFolder();
    chmodSync(folder, 0o500);
    const model = await readModel(everything);
    expect(await codesOf(() => writeModel(model, join(folder, "out.onnx")))).toEqual([
      "out-unwritable",
    ]);
    chmodSync(folder, 0o700);
  },
);

test("an OUT that was there stays as it was when weights cannot be made", async () => {
  const folder = freshFolder();
  const out = join(folder, "out.onnx");
  await writeModel(await readModel(external), out);
  const before = filesIn(folder);
  const model = withWeight(await readModel(external), 5000, () => {
    throw new Error("no such weight");
  });
  await expect(writeModel(model, out)).rejects.toThrow("no such weight");
  expect(filesIn(folder)).toEqual(before);
});

test("an interrupted write leaves nothing, not even folders", async () => {
  const folder = freshFolder();
  const controller = new AbortController();
  const model = withWeight(await readModel(everything), 1 << 20, () => {
    controller.abort();
    return new Uint8Array(1 << 20);
  });
  const writing = writeModel(model, join(folder, "out.onnx"), { signal: controller.signal });
  await expect(writing).rejects.toMatchObject({ name: "AbortError" });
  expect(filesIn(folder)).toEqual({});
  expect(execFileSync("find", [folder, "-mindepth", "1"]).toString()).toBe("");
});

test("a signal handler can clean up in the middle of a write", async () => {
  const folder = freshFolder();
  let during: string[] = [];
  const model = withWeight(await readModel(everything), 1 << 20, () => {
    during = Object.keys(filesIn(folder));
    abandonWrites();
    return new Uint8Array(1 << 20);
  });
  await writeModel(model, join(folder, "out.onnx")).catch(() => {});
  expect(during.length).toBeGreaterThan(0);
  expect(during.every((name) => basename(name).startsWith("."))).toBe(true);
  expect(execFileSync("find", [folder, "-mindepth", "1"]).toString()).toBe("");
});

test("the beginning of a data file is among what it cleans up, however it was copied", async () => {
  const folder = freshFolder();
  const write = beginWrite(await readModel(external), join(folder, "out.onnx"));
  await write.stage();
  expect(Object.keys(filesIn(folder))).toHaveLength(2);
  abandonWrites();
  expect(filesIn(folder)).toEqual({});
  write.abandon();
});

test("until it is published there are only temporary files, which a runtime could load", async () => {
  const folder = freshFolder();
  const out = join(folder, "out.onnx");
  const model = await readModel(external);
  const write = beginWrite(model, out);
  await write.stage();
  const staged = await readModel(await write.loadable());
  expect(staged.graph.initializers.size).toBe(model.graph.initializers.size);
  expect(Object.keys(filesIn(folder)).every((name) => name.startsWith("."))).toBe(true);
  await write.settle();
  const { files, bytesWritten } = write.publish();
  write.abandon();
  expect(Object.keys(filesIn(folder)).sort()).toEqual(["out.onnx", "out.onnx.data"]);
  expect(files).toEqual([out, `${out}.data`]);
  expect(bytesWritten).toBe(files.reduce((sum, file) => sum + statSync(file).size, 0));
});

test("a name may be as long as the file system takes it", async () => {
  const folder = freshFolder();
  const name = `${"long".repeat(60)}.onnx`;
  await writeModel(await readModel(external), join(folder, name));
  expect(Object.keys(filesIn(folder)).sort()).toEqual([name, `${name}.data`]);
  const longer = `${"long".repeat(62)}.onnx`;
  // There is no room for `.data`.
  const codes = await codesOf(async () =>
    writeModel(await readModel(external), join(folder, longer)),
  );
  expect(codes).toEqual(["out-unwritable"]);
  expect(Object.keys(filesIn(folder)).length).toBe(2);
});

test("files have the mode of any new file, whatever the input's is", async () => {
  const folder = freshFolder();
  const umask = process.umask();
  await writeModel(await readModel(external), join(folder, "out.onnx"));
  for (const name of ["out.onnx", "out.onnx.data"]) {
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o666 & ~umask);
  }
});

test("files that take the place of others have the mode of those", async () => {
  const folder = freshFolder();
  const out = join(folder, "out.onnx");
  for (const path of [out, `${out}.data`]) writeFileSync(path, "before", { mode: 0o640 });
  await writeModel(await readModel(external), out);
  for (const path of [out, `${out}.data`]) {
    expect(statSync(path).size).toBeGreaterThan(100);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  }
});

test("progress goes up to the whole", async () => {
  const steps: [number, number][] = [];
  const { bytesWritten } = await writeModel(
    await readModel(external),
    join(freshFolder(), "out.onnx"),
    { onProgress: (done, total) => steps.push([done, total]) },
  );
  expect(steps.at(-1)).toEqual([bytesWritten, bytesWritten]);
  expect(steps.every(([done], i) => i === 0 || done >= steps[i - 1]![0])).toBe(true);
});

test("the same model gives the same bytes", async () => {
  const write = async () => {
    const folder = freshFolder();
    const model = withWeight(await readModel(external), 5000, () => new Uint8Array(5000).fill(7));
    await writeModel(model, join(folder, "out.onnx"));
    return filesIn(folder);
  };
  expect(await write()).toEqual(await write());
});

describe("in a process of its own", () => {
  let script = "";

  beforeAll(() => {
    const source = `
      import { readModel, writeModel } from "./src/onnx/index.ts";
      const [path, out, inline] = process.argv.slice(2);
      try {
        const model = await readModel(path);
        await writeModel(model, out, { external: inline ?? "auto" });
        process.stdout.write("written");
      } catch (cause) {
        process.stdout.write(cause.diagnostics?.[0].code ?? String(cause));
      }`;
    const { outputFiles } = buildSync({
      stdin: { contents: source, resolveDir: "." },
      bundle: true,
      platform: "node",
      format: "esm",
      write: false,
    });
    script = outputFiles[0]!.text;
  });

  /** A model of 40 MB, all in one weight, and its data file. */
  async function largeModel(folder: string): Promise<string> {
    const size = 40 << 20;
    const bytes = new Uint8Array(size).fill(3);
    const model = withWeight(await readModel(external), size, () => bytes);
    await writeModel(model, join(folder, "large.onnx"));
    return join(folder, "large.onnx");
  }

  function run(limit: string, ...args: string[]): string {
    writeFileSync(join(args[1]!, "../../script.mjs"), script);
    const command = `${limit} exec node ${join(args[1]!, "../../script.mjs")} ${args.join(" ")}`;
    return spawnSync("sh", ["-c", command], { encoding: "utf8" }).stdout;
  }

  test("copies by a thread, bundled", async () => {
    const folder = freshFolder();
    mkdirSync(join(folder, "out"));
    const path = await largeModel(folder);
    expect(run("", path, join(folder, "out", "large.onnx"))).toBe("written");
    for (const name of ["large.onnx", "large.onnx.data"]) {
      const [a, b] = [folder, join(folder, "out")].map((at) => readFileSync(join(at, name)));
      expect(a!.equals(b!)).toBe(true);
    }
  });

  test.each(["auto", "inline"])(
    "a limit on file sizes is an error that leaves nothing: %s",
    async (way) => {
      const folder = freshFolder();
      mkdirSync(join(folder, "out"));
      const path = await largeModel(folder);
      const limit = "ulimit -f 20000; trap '' XFSZ;";
      expect(run(limit, path, join(folder, "out", "large.onnx"), way)).toBe("out-unwritable");
      expect(filesIn(join(folder, "out"))).toEqual({});
    },
  );
});

test("weights are read when they are written, not before", async () => {
  const order: string[] = [];
  const model = withWeight(await readModel(external), 2000, () => {
    order.push("computed");
    return new Uint8Array(2000);
  });
  order.push("read");
  await writeModel(model, join(freshFolder(), "out.onnx"));
  expect(order).toEqual(["read", "computed"]);
});
