import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import module from "node:module";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { root, scratch } from "./graftc.ts";

const bundle = join(root, "dist/graftc.cjs");
const script = `
  const { readAhead, run } = require("./dist/cli/load.js");
  const bundle = ${JSON.stringify(bundle)};
  const { script, exports } = run(bundle, readAhead(bundle));
  console.log(script.cachedDataRejected, typeof exports.main);
`;
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

describe.skipIf("enableCompileCache" in module)("the code that the build compiles ahead", () => {
  const copy = scratch();
  const code = join(copy, "dist/graftc.cjs");
  const compiled = `${code}.compiled`;

  beforeEach(() => {
    rmSync(compiled, { recursive: true, force: true });
    for (const name of ["dist/cli.js", "dist/package.json", "dist/graftc.cjs"]) {
      cpSync(join(root, name), join(copy, name), { recursive: true });
    }
    cpSync(join(root, "dist/graftc.cjs.compiled"), compiled);
    writeFileSync(join(copy, "package.json"), '{ "type": "module" }');
  });

  function versionOfCopy() {
    const words = [join(copy, "dist/cli.js"), "--version"];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
    return { status, stdout, stderr };
  }

  const said = (text: string) => ({ status: 0, stdout: `${text}\n`, stderr: "" });

  it("is what this Node runs", () => {
    const words = ["-e", script];
    expect(execFileSync(process.execPath, words, { cwd: root, encoding: "utf8" })).toBe(
      "false function\n",
    );
  });

  it("is left alone where it is of another bundle of that length", () => {
    const other = version.replace(/\d/g, "7");
    const text = readFileSync(code, "latin1");
    writeFileSync(code, text.replaceAll(`"${version}"`, `"${other}"`), "latin1");
    expect(versionOfCopy()).toEqual(said(other));
  });

  it.each<[string, (whole: Buffer) => Buffer]>([
    ["damaged", (whole) => whole.fill(0xa5, 1 << 16, 1 << 18)],
    ["cut off", (whole) => whole.subarray(0, whole.length / 2)],
    ["of a few bytes", (whole) => whole.subarray(0, 8)],
    ["empty", (whole) => whole.subarray(0, 0)],
  ])("is left alone where it is %s", (_, spoilt) => {
    writeFileSync(compiled, spoilt(readFileSync(compiled)));
    expect(versionOfCopy()).toEqual(said(version));
  });

  it("is left alone where it cannot be read", () => {
    rmSync(compiled);
    mkdirSync(compiled);
    expect(versionOfCopy()).toEqual(said(version));
  });
});
