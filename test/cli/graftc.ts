/** Runs the built command line as a process of its own. */
import { type SpawnSyncOptions, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll } from "vitest";

export const root = resolve(import.meta.dirname, "../..");
export const cli = join(root, "dist/cli.js");

if (!existsSync(cli)) throw new Error("these tests run dist/cli.js: npm run build");

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** The working directory; the repository unless said. */
  readonly cwd?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function graftc(words: readonly string[], options: RunOptions = {}): Run {
  const { cwd = root, input = "", env = {} } = options;
  const settings: SpawnSyncOptions = {
    cwd,
    input,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "", ...env },
    maxBuffer: 1 << 28,
  };
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...words], settings);
  return { code: status, stdout: String(stdout), stderr: String(stderr) };
}

/** The one JSON document that a command printed. */
export function json<T = Record<string, unknown>>(run: Run): T {
  return JSON.parse(run.stdout);
}

/** A folder of its own for a test file, with texts in it, and command lines that run there. */
export function workspace() {
  const folder = scratch();
  return {
    folder,
    /** @returns its name. */
    file(name: string, text: string): string {
      writeFileSync(join(folder, name), text);
      return name;
    },
    run: (...words: string[]) => graftc(words, { cwd: folder }),
  };
}

/** A folder of its own for a test file, removed after it. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "graftc-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
