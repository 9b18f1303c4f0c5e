/**
 * Builds dist/: cli.js and index.js (bundled, with shared chunks), the built-in operators, and the
 * type declarations. `--no-types` leaves the declarations out, as the demo does.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const withTypes = !process.argv.includes("--no-types");
const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/** Beside esbuild, because it takes ten times as long and needs nothing of it. */
function startDeclarations() {
  const compiler = fileURLToPath(import.meta.resolve("typescript/bin/tsc"));
  const arguments_ = [compiler, "-p", "scripts/tsconfig.types.json"];
  return spawn(process.execPath, arguments_, { stdio: "inherit" });
}

rmSync("dist", { recursive: true, force: true });
const declarations = withTypes ? startDeclarations() : null;
await build({
  entryPoints: ["src/cli.ts", "src/index.ts"],
  outdir: "dist",
  bundle: true,
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  format: "esm",
  platform: "node",
  target: "node20.19",
  external: ["onnxruntime-node"],
  // CommonJS packages ask for Node's own modules by `require`.
  banner: {
    js: 'import{createRequire as $require}from"node:module";const require=$require(import.meta.url);',
  },
  define: { GRAFTC_VERSION: JSON.stringify(version) },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "linked",
  logLevel: "warning",
});
chmodSync("dist/cli.js", 0o755);
cpSync("src/grafts", "dist/grafts", { recursive: true });
if (declarations) {
  const [code] = await once(declarations, "exit");
  process.exitCode = code;
}
