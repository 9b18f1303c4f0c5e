/** Leaves beside the bundled command line what V8 has compiled of it in two runs: `src/cli/load.ts`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compiledOf, run, sealOf } from "../dist/cli/load.js";

const bundle = fileURLToPath(new URL("../dist/graftc.cjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "graftc-build-"));
const file = (name) => join(folder, name);
/** What runs often: an edit of a model with its data inside, and one with its data beside it. */
const runs = [
  [
    "examples/digits/model.onnx",
    "examples/hyena-interleaved.graft",
    "-o",
    file("a.onnx"),
    "--external",
    "file",
  ],
  [file("a.onnx"), "examples/slim-mlps.graft", "-o", file("b.onnx"), "--external", "share"],
];
try {
  const bytes = readFileSync(bundle);
  const { script, exports } = run(bundle, { code: bytes });
  for (const words of runs) {
    const code = await exports.main([...words, "--quiet"]);
    if (code !== 0) throw new Error(`a run that is compiled ahead ended with ${code}`);
  }
  const compiled = script.createCachedData();
  writeFileSync(compiledOf(bundle), Buffer.concat([sealOf({ code: bytes, compiled }), compiled]));
} finally {
  rmSync(folder, { recursive: true });
}
