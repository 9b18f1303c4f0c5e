/** Leaves beside the bundled command line what V8 has compiled of it in one run: `src/cli/load.ts`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compiledOf, run } from "../dist/cli/load.js";

const bundle = new URL("../dist/graftc.cjs", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "graftc-build-"));
try {
  const { script, exports } = run(bundle);
  const edits = ["examples/digits/model.onnx", "examples/hyena-interleaved.graft"];
  const code = await exports.main([...edits, "-o", join(folder, "out.onnx"), "--quiet"]);
  if (code !== 0) throw new Error(`the run that is compiled ahead ended with ${code}`);
  writeFileSync(compiledOf(bundle), script.createCachedData());
} finally {
  rmSync(folder, { recursive: true });
}
