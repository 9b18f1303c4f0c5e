import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runLine, workshop } from "./commands-in-text.ts";
import { graftc, root } from "./graftc.ts";

const text = readFileSync(join(root, "README.md"), "utf8");
const cwd = workshop();

function blocks(language: string): string[] {
  const fences = text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"));
  return [...fences].map((match) => match[1]!);
}

const commands = blocks("sh")
  .flatMap((block) => block.trim().split("\n"))
  .filter((line) => line.startsWith("graftc "));

test("it shows commands", () => {
  expect(commands.length).toBeGreaterThan(5);
});

/** In order, in one folder: later ones take what earlier ones wrote. */
test.each(commands)("%s", (command) => {
  const { code, stderr } = runLine(command, cwd);
  expect({ code, stderr }).toMatchObject({ code: command.includes(" diff ") ? 1 : 0 });
});

test("its npm scripts exist", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const own = ["ci", "install"];
  const named = [...text.matchAll(/npm (?:run )?(\w+)(?= )/g)].map((match) => match[1]!);
  expect(named).toContain("demo");
  expect(named.filter((name) => !own.includes(name) && !(name in scripts))).toEqual([]);
});

test("its language is the language", () => {
  writeFileSync(join(cwd, "my-operators.graft"), "operator mine() for attn { return x }\n");
  blocks("graft").forEach((block, i) => {
    const file = `block-${i}.graft`;
    writeFileSync(join(cwd, file), block);
    const { code, stderr } = graftc(["check", file], { cwd });
    expect({ block, code, stderr }).toMatchObject({ code: 0 });
  });
});

test("the operators of its table are the built-in ones, with their defaults", () => {
  const rows = [...text.matchAll(/^\| `(\w+)\((.*?)\)` \|/gm)];
  expect(rows.length).toBe(11);
  for (const [, name, params] of rows) {
    const source = readFileSync(join(root, `src/grafts/${name}.graft`), "utf8");
    const formal = new RegExp(`operator ${name}\\(([^)]*)\\)`).exec(source)?.[1] ?? "";
    const declared = [...formal.matchAll(/(\w+): \w+ = ([^,]+)/g)].map(
      ([, n, v]) => `${n} = ${v!.trim()}`,
    );
    expect(params!.replaceAll("8/3", "8 / 3").split(", ")).toEqual(declared);
  }
});

test("its library example runs", () => {
  const [example] = blocks("ts");
  const source = example!.replace('"graftc"', JSON.stringify(join(root, "dist/index.mjs")));
  writeFileSync(join(cwd, "example.mjs"), source);
  const { status, stderr } = spawnSync(process.execPath, ["example.mjs"], {
    cwd,
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(existsSync(join(cwd, "hyena.onnx"))).toBe(true);
});

test("its links lead somewhere", () => {
  const targets = [...text.matchAll(/\]\(((?!http)[^)]+)\)/g)].map((match) => match[1]!);
  expect(targets.filter((target) => !existsSync(join(root, target)))).toEqual([]);
});
