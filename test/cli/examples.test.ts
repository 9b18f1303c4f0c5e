import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runLine, workshop } from "./commands-in-text.ts";
import { graftc, root } from "./graftc.ts";

const folder = join(root, "examples");
const names = readdirSync(folder).filter((name) => name.endsWith(".graft"));
const cwd = workshop();

function commandsOf(name: string): string[] {
  const text = readFileSync(join(folder, name), "utf8");
  return [...text.matchAll(/^\/\/ {3}(graftc .*)$/gm)].map((match) => match[1]!);
}

test("there are enough of them", () => {
  expect(names.length).toBeGreaterThanOrEqual(8);
});

test.each(names)("%s runs as its comment says", (name) => {
  const commands = commandsOf(name);
  expect(commands.length).toBeGreaterThan(0);
  for (const command of commands) {
    const { code, stderr } = runLine(command, cwd);
    // diff finds what the example changed.
    expect({ command, code, stderr }).toMatchObject({ code: command.includes(" diff ") ? 1 : 0 });
  }
});

test("all are formatted", () => {
  const files = names.map((name) => `examples/${name}`);
  const run = graftc(["fmt", "--check", ...files, "examples/operators/mixers.graft"]);
  expect(run).toMatchObject({ code: 0, stderr: "" });
});

test("each is in the list", () => {
  const list = readFileSync(join(folder, "README.md"), "utf8");
  expect(names.filter((name) => !list.includes(`(${name})`))).toEqual([]);
});
