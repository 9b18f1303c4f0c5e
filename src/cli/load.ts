/** Loads the bundled command line with its code compiled ahead: a quarter of a short run. */
import { existsSync, readFileSync } from "node:fs";
import module, { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";

/**
 * Node keeps compiled code itself from 22.8 on. For those before, the build leaves it beside the
 * bundle; V8 ignores what another version of it has made.
 * @param bundle a CommonJS file.
 */
export function load(bundle: URL): unknown {
  const { enableCompileCache } = module as { enableCompileCache?: () => void };
  enableCompileCache?.();
  const compiled = compiledOf(bundle);
  if (enableCompileCache || !existsSync(compiled))
    return createRequire(bundle)(fileURLToPath(bundle));
  return run(bundle, readFileSync(compiled)).exports;
}

/** Where the compiled code of a bundle is. */
export function compiledOf(bundle: URL): URL {
  return new URL(`${bundle.href}.compiled`);
}

/** Runs a CommonJS file as Node does, but that `import()` is beyond code compiled before. */
export function run(bundle: URL, cachedData?: Buffer): { script: vm.Script; exports: unknown } {
  const filename = fileURLToPath(bundle);
  const code = readFileSync(bundle, "latin1");
  const script = new vm.Script(
    `(function(exports,require,module,__filename,__dirname){${code}\n})`,
    { filename, ...(cachedData && { cachedData }) },
  );
  const module = { exports: {} };
  const body = script.runInThisContext();
  body.call(
    module.exports,
    module.exports,
    createRequire(bundle),
    module,
    filename,
    dirname(filename),
  );
  return { script, exports: module.exports };
}
