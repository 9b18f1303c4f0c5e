/** After edits only what they touched is asked about again; it must not be told from asking about all. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Model } from "../../src/ir/graph.ts";
import { showType } from "../../src/ir/types.ts";
import { bytesOf, edit, fixture, read } from "./workbench.ts";

const folder = mkdtempSync(join(tmpdir(), "graftc-retyped-"));
afterAll(() => rmSync(folder, { recursive: true }));

const names = ["dit-tiny-dynamo20", "dit-tiny-ts17", "pixart-ts17", "vit-dynamo20"];
const edits = {
  replaced: "replace blocks[1].attn with hyena_x\nreplace blocks[0].attn with swa(window: 2)",
  resized: "resize blocks[1].mlp to ratio 3\nreplace blocks[0].mlp with swiglu",
  rebuilt: "parallelize blocks[0..1] by 2",
  repeated: "repeat blocks[1] times 2",
};

const typesIn = ({ graph }: Model) =>
  new Map([...graph.values.values()].map(({ name, type }) => [name, showType(type)]));

test.each(names.flatMap((name) => Object.entries(edits).map(([what, text]) => [name, what, text])))(
  "%s, %s: the types of every value are those of a fresh look",
  async (name, _what, text) => {
    const { model } = await edit(fixture(name!), text!);
    const path = join(folder, "edited.onnx");
    writeFileSync(path, bytesOf(model));
    expect(typesIn(model)).toEqual(typesIn(await read(path)));
  },
);
