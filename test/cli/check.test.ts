import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { check } from "../../src/index.ts";
import { json, root, workspace } from "./graftc.ts";

const model = join(root, "examples/digits/model.onnx");
const { folder, file, run } = workspace();
const hyena = file("hyena.graft", "replace blocks[odd].attn with hyena_x\n");
const wrong = file(
  "wrong.graft",
  "replace blocks[1].atn with hyena_x\nresize blocks[2].mlp to ratio 0\n",
);

test("check finds what compile would, and writes nothing", () => {
  const before = readdirSync(folder);
  expect(run("check", hyena)).toMatchObject({ code: 0, stdout: "1 file: no mistakes\n" });
  expect(run("check", hyena, "--model", model).code).toBe(0);
  expect(run("check", wrong).code).toBe(1);
  const failed = run("check", wrong, "--model", model, "--json");
  expect(failed.code).toBe(1);
  expect(json(failed)).toMatchObject({ files: [wrong], model, diagnostics: [{ line: 1 }, {}] });
  expect(readdirSync(folder)).toEqual(before);
});

test("check reads operators that nothing uses", () => {
  const idle = file(
    "idle.graft",
    `operator idle(size: int = mising) for attn {
  layer map = linaer(D, D) from host.qkw
  y = map(x) + zz
  if N > 3 { y = relux(y) }
}
operator fine(scale: float = 1.0) for attn {
  weight mix: [N, N] = identity
  let far = tril(N, diagonal: -1)
  return scale * (mix @ x) + host.scale * (float(far) @ x)
}
`,
  );
  const codes = [
    "no-return",
    "unknown-name",
    "unknown-layer-type",
    "unknown-host-part",
    "unknown-name",
    "unknown-function",
  ];
  for (const rest of [[], ["--model", model]]) {
    const { diagnostics } = json(run("check", idle, ...rest, "--json")) as {
      diagnostics: { code: string; line: number }[];
    };
    expect(diagnostics.map(({ code }) => code)).toEqual(codes);
    expect(diagnostics.map(({ line }) => line)).toEqual([1, 1, 2, 2, 3, 4]);
  }
});

test("the library returns what the command prints", async () => {
  const edits = [join(folder, file("twice.graft", "remove blocks[9]\nremove blocks[9]\n"))];
  const codes = async (options: { model?: string }) =>
    (await check({ edits, ...options })).map(({ code }) => code);
  expect(await codes({})).toEqual(["edited-twice"]);
  expect(await codes({ model })).toEqual(["index-out-of-range", "index-out-of-range"]);
  expect(await codes({ model: join(folder, "none.onnx") })).toEqual(["file-unreadable"]);
  expect(await check({ edits: [join(folder, hyena)], model })).toEqual([]);
});
