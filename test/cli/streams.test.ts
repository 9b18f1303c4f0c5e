import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { openSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cli, graftc, json, root, scratch } from "./graftc.ts";

const model = "examples/digits/model.onnx";
const edits = "examples/hyena-interleaved.graft";
const folder = scratch();

test("the summary is stdout, diagnostics are stderr, --quiet leaves errors", () => {
  const out = join(folder, "a.onnx");
  const run = graftc([model, edits, "-o", out]);
  expect(run.code).toBe(0);
  expect(run.stdout).toContain("blocks[1, 3, 5, 7].attn");
  expect(run.stderr).toBe("");
  expect(graftc([model, edits, "-o", out, "--quiet"])).toEqual({ code: 0, stdout: "", stderr: "" });
  const failed = graftc([model, "nowhere.graft", "-o", out, "--quiet"]);
  expect(failed).toMatchObject({ code: 1, stdout: "" });
  expect(failed.stderr).toContain("nowhere.graft");
});

test("of many diagnostics the first hundred are shown, and all are in the document", () => {
  const path = join(folder, "many.graft");
  const lines = Array.from({ length: 150 }, (_, i) => `replace blocks[${i}].attn with nothing\n`);
  writeFileSync(path, lines.join(""));
  const run = graftc(["check", path, "--json"]);
  expect(json<{ diagnostics: unknown[] }>(run).diagnostics).toHaveLength(150);
  expect(run.stderr.match(/^error/gm)).toHaveLength(100);
  expect(run.stderr).toMatch(/\n\n\.\.\. and 50 more\n$/);
});

test("flags of all commands stand anywhere", () => {
  for (const words of [
    ["--json", "inspect", model],
    ["inspect", "--json", model],
    ["inspect", model, "--json"],
  ]) {
    expect(json(graftc(words))).toMatchObject({ model: { parameters: expect.any(Number) } });
  }
});

test("colours: --color decides, NO_COLOR is honoured, no terminal has none", () => {
  const colored = new RegExp(`${String.fromCharCode(27)}\\[`);
  const bad = ["nowhere.onnx", "-o", "x"];
  expect(graftc(bad).stderr).not.toMatch(colored);
  expect(graftc([...bad, "--color", "always"]).stderr).toMatch(colored);
  expect(graftc([...bad, "--color=always"], { env: { NO_COLOR: "1" } }).stderr).toMatch(colored);
  expect(graftc([...bad, "--color", "never"]).stderr).not.toMatch(colored);
  expect(graftc(["inspect", model, "--color", "always"]).stdout).toMatch(colored);
  expect(graftc(["inspect", model]).stdout).not.toMatch(colored);
  expect(graftc(["inspect", "--seed", "--color", "always"]).stderr).toMatch(colored);
});

test("a reader that leaves early is no failure", () => {
  const line = `"${process.execPath}" "${cli}" inspect ${model} --json | head -c 1`;
  const { stderr } = spawnSync("bash", ["-c", line], { cwd: root, encoding: "utf8" });
  expect(stderr).toBe("");
});

test("a full disk behind stdout is one", () => {
  const full = openSync("/dev/full", "w");
  const { status, stderr } = spawnSync(process.execPath, [cli, "inspect", model], {
    cwd: root,
    stdio: ["ignore", full, "pipe"],
    encoding: "utf8",
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^graftc: cannot write to stdout/);
});

test("a file whose name is a command", () => {
  const run = graftc(["inspect", "-o", "x"], { cwd: folder });
  expect(run.code).toBe(2);
  writeFileSync(join(folder, "inspect"), "no model");
  expect(graftc(["./inspect", "-o", "x"], { cwd: folder }).code).toBe(1);
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s leaves nothing behind", async (signal) => {
  const place = scratch();
  const words = ["new", "dit-l/2", "--depth", "8", "-o", join(place, "big.onnx")];
  const child = spawn(process.execPath, [cli, ...words], { stdio: ["ignore", "ignore", "pipe"] });
  const exit = once(child, "exit");
  while (readdirSync(place).length === 0) await new Promise((done) => setTimeout(done, 5));
  child.kill(signal);
  expect(await exit).toEqual([130, null]);
  expect(readdirSync(place)).toEqual([]);
});

test("our own mistakes are said to be ours", () => {
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(sabotage)}` };
  const run = graftc(["inspect", model], { env });
  expect(run).toMatchObject({ code: 1, stdout: "" });
  expect(run.stderr).toBe(
    "internal error: sabotage\n  = this is a bug in graftc, not in your files; " +
      "GRAFTC_DEBUG=1 adds where it happened, for the report\n",
  );
  expect(graftc(["inspect", model], { env: { ...env, GRAFTC_DEBUG: "1" } }).stderr).toMatch(
    /^\s+at /m,
  );
});

/** A defect that no input can bring about. */
const sabotage = `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module";
const { openSync } = fs;
fs.openSync = (path, ...rest) => {
  if (String(path).endsWith(".onnx")) throw new Error("sabotage");
  return openSync(path, ...rest);
};
syncBuiltinESMExports();`;
