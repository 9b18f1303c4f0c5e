/** Leaves beside the bundled command line what V8 has compiled of it in one run: `src/cli/load.ts`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compiledOf, run, sealOf } from "../dist/cli/load.js";

const bundle = fileURLToPath(new URL("../dist/graftc.cjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "graftc-build-"));
try {
  const bytes = readFileSync(bundle);
  const { script, exports } = run(bundle, { code: bytes });
  const edits = ["examples/digits/model.onnx", "examples/hyena-interleaved.graft"];
  const code = await exports.main([...edits, "-o", join(folder, "out.onnx"), "--quiet"]);
  if (code !== 0) throw new Error(`the run that is compiled ahead ended with ${code}`);
  const compiled = script.createCachedData();
  writeFileSync(compiledOf(bundle), Buffer.concat([sealOf({ code: bytes, compiled }), compiled]));
} finally {
  rmSync(folder, { recursive: true });
}
