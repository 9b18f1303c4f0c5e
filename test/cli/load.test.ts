import { execFileSync } from "node:child_process";
import module from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { root } from "./graftc.ts";

const bundle = pathToFileURL(join(root, "dist/graftc.cjs")).href;
const script = `
  import { readFileSync } from "node:fs";
  import { compiledOf, run } from "./dist/cli/load.js";
  const bundle = new URL("${bundle}");
  const { script, exports } = run(bundle, readFileSync(compiledOf(bundle)));
  console.log(script.cachedDataRejected, typeof exports.main);
`;

describe.skipIf("enableCompileCache" in module)("the code that the build compiles ahead", () => {
  it("is what this Node runs", () => {
    const words = ["--input-type=module", "-e", script];
    expect(execFileSync(process.execPath, words, { cwd: root, encoding: "utf8" })).toBe(
      "false function\n",
    );
  });
});
