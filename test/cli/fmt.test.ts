import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cli, graftc, json, scratch } from "./graftc.ts";

const folder = scratch();
const untidy = "replace   blocks[odd].attn with hyena_x( kernel:8 )\n";
const tidy = "replace blocks[odd].attn with hyena_x(kernel: 8)\n";

function file(name: string, text: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test("formats in place and keeps the mode", () => {
  const path = file("mode.graft", untidy);
  chmodSync(path, 0o640);
  const run = graftc(["fmt", path]);
  expect(run).toMatchObject({ code: 0, stderr: "" });
  expect(run.stdout).toBe(`${path}\n1 file formatted\n`);
  expect(readFileSync(path, "utf8")).toBe(tidy);
  expect(statSync(path).mode & 0o777).toBe(0o640);
});

test("what is formatted stays untouched, and nothing is said", () => {
  const path = file("tidy.graft", tidy);
  const before = statSync(path).mtimeMs;
  expect(graftc(["fmt", path])).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(statSync(path).mtimeMs).toBe(before);
});

test("a link stays a link", () => {
  const target = file("target.graft", untidy);
  const link = join(folder, "link.graft");
  symlinkSync(target, link);
  expect(graftc(["fmt", link]).code).toBe(0);
  expect(readFileSync(target, "utf8")).toBe(tidy);
});

test("--check names what would change and writes nothing", () => {
  const [bad, good] = [file("bad.graft", untidy), file("good.graft", tidy)];
  const run = graftc(["fmt", "--check", bad, good]);
  expect(run).toEqual({ code: 1, stdout: `${bad}\n1 file would change\n`, stderr: "" });
  expect(readFileSync(bad, "utf8")).toBe(untidy);
  expect(graftc(["fmt", "--check", good])).toEqual({ code: 0, stdout: "", stderr: "" });
  const document = json(graftc(["fmt", "--check", "--json", bad, good]));
  expect(document).toEqual({
    files: [
      { file: bad, changed: true },
      { file: good, changed: false },
    ],
    diagnostics: [],
  });
});

test("a file with errors stays as it is; the others are formatted", () => {
  const broken = file("broken.graft", "replace blocks[odd .attn with\n");
  const fine = file("fine.graft", untidy);
  const run = graftc(["fmt", broken, fine]);
  expect(run.code).toBe(1);
  expect(run.stderr).toContain(`--> ${broken}:1:`);
  expect(readFileSync(broken, "utf8")).toBe("replace blocks[odd .attn with\n");
  expect(readFileSync(fine, "utf8")).toBe(tidy);
});

test("- is standard input and output", () => {
  expect(graftc(["fmt", "-"], { input: untidy })).toEqual({ code: 0, stdout: tidy, stderr: "" });
  expect(graftc(["fmt", "-"], { input: "\n\n" })).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(graftc(["fmt", "-", "--check"], { input: untidy }).code).toBe(1);
});

test("what cannot be read or written is named", () => {
  expect(graftc(["fmt", "nowhere.graft"])).toMatchObject({ code: 1, stdout: "" });
  expect(graftc(["fmt", "nowhere.graft"]).stderr).toContain("nowhere.graft");
  const place = join(folder, "place");
  mkdirSync(place);
  expect(graftc(["fmt", place]).stderr).toContain("error[unreadable-edits]");
});

test("a file with the longest name there is", () => {
  const path = file(`${"n".repeat(248)}.graft`, untidy);
  expect(graftc(["fmt", path])).toMatchObject({ code: 0, stderr: "" });
  expect(readFileSync(path, "utf8")).toBe(tidy);
});

/** As on a full disk, the first block of a file can be written and the next cannot. */
test.skipIf(process.platform === "win32")("what cannot be written whole leaves nothing", () => {
  const place = join(folder, "full");
  mkdirSync(place);
  const text = `${"// long\n".repeat(1000)}${untidy}`;
  const path = file("full/long.graft", text);
  const words = ["-c", 'ulimit -f 1; exec "$@"', "sh", process.execPath, cli, "fmt", path];
  const run = spawnSync("sh", words, { encoding: "utf8" });
  expect(run.status).toBe(1);
  expect(run.stderr).toContain("error[unwritable-edits]");
  expect(readFileSync(path, "utf8")).toBe(text);
  expect(readdirSync(place)).toEqual(["long.graft"]);
});

test.skipIf(!existsSync("/dev/zero"))("a device that never ends is no text", () => {
  const user = file("uses a device.graft", 'use "/dev/zero"\n');
  const endless = "it is longer than 16 MB";
  for (const [said, ...words] of [
    [`Cannot read /dev/zero: ${endless}`, "fmt", "/dev/zero"],
    [`Cannot read /dev/zero: ${endless}`, "check", user],
    [`/dev/zero is not a report of \`graftc analyze\`: ${endless}`, "check"]
      .concat(["examples/hyena-interleaved.graft", "--analysis", "/dev/zero"])
      .concat(["--model", "examples/digits/model.onnx"]),
  ]) {
    const run = graftc(words);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(said);
  }
});

test.each([
  ["not UTF-8", [0xff, 0xfe]],
  ["cut off in a character", [0xe2, 0x82]],
  ["zero", [0]],
])("a file with bytes that are %s is no text, and stays as it is", (name, odd) => {
  const bytes = Buffer.concat([Buffer.from("// "), Buffer.from(odd), Buffer.from(`\n${untidy}`)]);
  const path = file(`${name}.graft`, bytes);
  const user = file(`uses ${name}.graft`, `use "${name}.graft"\n`);
  const message = `error[unreadable-edits]: Cannot read ${path}: it is not a text file`;
  for (const words of [
    ["fmt", path],
    ["check", path],
    ["check", user],
  ]) {
    const run = graftc(words);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(message);
  }
  expect(readFileSync(path)).toEqual(bytes);
});

test("a byte order mark is no part of the text", () => {
  const run = graftc(["fmt", "-"], { input: `\ufeff${untidy}` });
  expect(run).toEqual({ code: 0, stdout: tidy, stderr: "" });
});
