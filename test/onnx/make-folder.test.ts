import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeFolder } from "../../src/onnx/make-folder.ts";
import { freshFolder } from "./fixtures.ts";

test("makes what is missing, and says what that was", () => {
  const folder = freshFolder();
  const [inner, outer] = [join(folder, "a", "b"), join(folder, "a")];
  expect(makeFolder(inner)).toEqual([inner, outer]);
  expect(statSync(inner).isDirectory()).toBe(true);
  expect(makeFolder(inner)).toEqual([]);
  rmSync(inner, { recursive: true });
  expect(makeFolder(inner)).toEqual([inner]);
});

test("a file on the way is refused", () => {
  const file = join(freshFolder(), "file");
  writeFileSync(file, "");
  for (const path of [file, join(file, "below")]) expect(() => makeFolder(path)).toThrow("EEXIST");
});

test.runIf(existsSync("/proc/self"))("a place where nothing can be made is refused", () => {
  for (const path of ["/proc/no/where", "/proc/none"]) {
    expect(() => makeFolder(path)).toThrow("ENOENT");
  }
});
