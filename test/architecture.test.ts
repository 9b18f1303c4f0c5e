import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const folders = ["grammar", "src", "passes", "runtime"];

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : path.endsWith(".ts") ? [path] : [];
  });
}

const files = folders.flatMap(filesBelow).map((path) => ({
  path,
  text: readFileSync(path, "utf8"),
}));

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1]!);
}

/** The room a file belongs to: `src/ir`, `passes`, or the file itself at the top of src. */
function roomOf(path: string): string {
  const steps = path.split("/");
  return steps[0] === "src" ? steps.slice(0, 2).join("/") : steps[0]!;
}

/** Who may be imported from where; `src/*.ts` and the shells see everything. */
const arrows: Record<string, readonly string[]> = {
  "src/diag": [],
  "src/ir": ["src/diag"],
  grammar: ["src/diag"],
  "src/onnx-ops": ["src/diag", "src/ir"],
  "src/onnx": ["src/diag", "src/ir", "src/onnx-ops"],
  "src/anatomy": ["src/diag", "src/ir", "src/onnx", "src/onnx-ops"],
  "src/measure": ["src/diag", "src/ir", "src/onnx", "src/onnx-ops", "src/anatomy"],
  "src/inspect": ["src/diag", "src/ir", "src/onnx", "src/onnx-ops", "src/anatomy", "src/measure"],
  "src/plan": ["grammar", "src/diag", "src/ir", "src/onnx-ops", "src/anatomy", "src/explain"],
  "src/explain": ["src/diag", "src/ir", "src/anatomy"],
  "src/lower": [
    "grammar",
    "src/diag",
    "src/ir",
    "src/onnx",
    "src/onnx-ops",
    "src/anatomy",
    "src/plan",
  ],
  "src/diff": ["src/diag", "src/ir", "src/onnx", "src/onnx-ops", "src/anatomy", "src/measure"],
  "src/presets": ["src/diag", "src/ir", "src/onnx", "src/onnx-ops", "src/lower"],
  passes: [
    "grammar",
    "src/diag",
    "src/ir",
    "src/onnx",
    "src/onnx-ops",
    "src/anatomy",
    "src/measure",
    "src/plan",
    "src/lower",
    "src/explain",
  ],
  runtime: ["src/diag", "src/ir", "src/onnx", "src/onnx-ops", "src/measure"],
  "src/training": [
    "passes",
    "runtime",
    "src/diag",
    "src/ir",
    "src/onnx",
    "src/onnx-ops",
    "src/plan",
    "src/dissect.ts",
    "src/editing.ts",
    "src/edits.ts",
    "src/publish.ts",
  ],
};

/** Whose business a package is. */
const keepers: Record<string, string> = {
  chevrotain: "grammar",
  "onnxruntime-node": "runtime",
  "onnxruntime-common": "runtime",
  commander: "src/cli",
  vega: "runtime",
  yauzl: "runtime",
};

test("arrows between rooms point one way", () => {
  const wrong = files.flatMap(({ path, text }) => {
    const allowed = arrows[roomOf(path)];
    if (!allowed) return [];
    return importsOf(text)
      .filter((target) => target.startsWith("."))
      .map((target) => roomOf(normalize(join(dirname(path), target))))
      .filter((room) => room !== roomOf(path) && !allowed.includes(room))
      .map((room) => `${path} imports ${room}`);
  });
  expect(wrong).toEqual([]);
});

test("every room has its arrows declared", () => {
  const rooms = new Set(files.map(({ path }) => roomOf(path)));
  const shells = (room: string) => room.endsWith(".ts") || room === "src/cli";
  expect([...rooms].filter((room) => !shells(room) && !(room in arrows))).toEqual([]);
});

test("each package has one keeper", () => {
  const wrong = files.flatMap(({ path, text }) =>
    importsOf(text)
      .filter((name) => keepers[name] && !path.startsWith(keepers[name]!))
      .map((name) => `${path} imports ${name}`),
  );
  expect(wrong).toEqual([]);
});

test("only Patch and the codec mutate a graph", () => {
  const mutators = files.filter(({ text }) =>
    importsOf(text).some((t) => t.endsWith("ir/edit.ts")),
  );
  const rooms = new Set(mutators.map(({ path }) => path));
  expect([...rooms].filter((path) => !/^src\/(onnx|onnx-ops)\//.test(path))).toEqual([]);
});

test("files stay small enough to hold in the head", () => {
  const lines = files.map(({ path, text }) => [path, text.split("\n").length] as const);
  expect(lines.filter(([, count]) => count > 300)).toEqual([]);
});

test("the repository speaks of itself only", () => {
  const strays = files.filter(({ text }) => /\/work\/|\.\.\/shared|\/root\//.test(text));
  expect(strays.map(({ path }) => path)).toEqual([]);
});
