/**
 * Builds dist/: the command line as one file, the library (bundled, with shared chunks), the
 * built-in operators, and the type declarations. `--no-types` leaves the declarations out, as the
 * demo does.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import module from "node:module";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const withTypes = !process.argv.includes("--no-types");
const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/** @param words a script of Node's, and its arguments. */
function start(...words) {
  return spawn(process.execPath, words, { stdio: "inherit" });
}

async function finished(child) {
  const [code] = await once(child, "exit");
  if (code !== 0) process.exit(code ?? 1);
}

rmSync("dist", { recursive: true, force: true });
// Beside esbuild, because it takes ten times as long and needs nothing of it.
const compiler = fileURLToPath(import.meta.resolve("typescript/bin/tsc"));
const declarations = withTypes ? start(compiler, "-p", "scripts/tsconfig.types.json") : null;

const common = {
  bundle: true,
  platform: "node",
  target: "node20.19",
  external: ["onnxruntime-node"],
  // Charts come out the same wherever a `canvas` is installed; Node's build looks for one.
  alias: { "vega-canvas": "./node_modules/vega-canvas/build/vega-canvas.browser.js" },
  define: { GRAFTC_VERSION: JSON.stringify(version) },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "linked",
  logLevel: "warning",
};
const commonjs = { ...common, format: "cjs" };
/** Few commands draw charts, and all would load what draws them: a third of the bundle. */
const chartsApart = {
  name: "charts-apart",
  setup({ onResolve }) {
    onResolve({ filter: /^vega$/ }, () => ({ path: "./vega.cjs", external: true }));
  },
};
/** The JavaScript of onnxruntime-node is 22 files, which take Node longer to find than to run. */
const runtimeInside = {
  name: "runtime-inside",
  setup({ onLoad }) {
    const change = (filter, from, to) => {
      onLoad({ filter }, ({ path }) => {
        const text = readFileSync(path, "utf8");
        if (!text.includes(from)) throw new Error(`${path} no longer has ${from}`);
        return { contents: text.replace(from, to), loader: path.endsWith(".ts") ? "ts" : "js" };
      });
    };
    const name = '("onnxruntime-node")';
    change(/runtime.session.ort\.ts$/, `createRequire(import.meta.url)${name}`, `require${name}`);
    // The library itself stays where it was installed.
    change(/onnxruntime-node.dist.binding\.js$/, "`../bin/", "`onnxruntime-node/bin/");
  },
};
await build({ ...commonjs, entryPoints: ["vega"], outfile: "dist/vega.cjs" });
await build({
  ...commonjs,
  entryPoints: ["src/cli/main.ts"],
  outfile: "dist/graftc.cjs",
  external: [],
  plugins: [chartsApart, runtimeInside],
  // Code that is compiled ahead has no `import()` (src/cli/load.ts): it becomes `require`.
  supported: { "dynamic-import": false },
  define: { ...common.define, "import.meta.url": "$url" },
  banner: { js: 'const $url=require("node:url").pathToFileURL(__filename).href;' },
});
// Node starts CommonJS sooner than modules, by a tenth of a short run.
await build({ ...commonjs, entryPoints: ["src/cli.ts", "src/cli/load.ts"], outdir: "dist" });
writeFileSync("dist/package.json", '{ "type": "commonjs" }\n');
mkdirSync("dist/types", { recursive: true });
writeFileSync("dist/types/package.json", '{ "type": "module" }\n');
await build({
  ...common,
  entryPoints: ["src/index.ts"],
  outdir: "dist",
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  format: "esm",
  outExtension: { ".js": ".mjs" },
  // CommonJS packages ask for Node's own modules by `require`.
  banner: {
    js: 'import{createRequire as $require}from"node:module";const require=$require(import.meta.url);',
  },
});
chmodSync("dist/cli.js", 0o755);
cpSync("src/grafts", "dist/grafts", { recursive: true });
if (!module.enableCompileCache) await finished(start("scripts/compile-ahead.mjs"));
if (declarations) await finished(declarations);
