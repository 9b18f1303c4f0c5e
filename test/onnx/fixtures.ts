/** Models that the ONNX tests share, and folders to write into. */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { onTestFinished } from "vitest";

export const everything = "test/fixtures/onnx/everything.onnx";

/** What real exporters wrote. */
export const exported = readdirSync("test/fixtures/models")
  .filter((name) => name.endsWith(".onnx"))
  .map((name) => join("test/fixtures/models", name));

/** The ONNX project's own backend test data. */
export function backendModels(): { name: string; bytes: Buffer }[] {
  const pack = brotliDecompressSync(readFileSync("test/fixtures/onnx/backend.br"));
  let at = 4 + pack.readUInt32LE();
  const index = JSON.parse(pack.toString("utf8", 4, at)) as [name: string, size: number][];
  return index.map(([name, size]) => {
    const bytes = pack.subarray(at, at + size);
    at += size;
    return { name, bytes };
  });
}

/** A folder that goes when the test ends. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "graftc-onnx-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Equal for equal bytes, and quickly compared. */
export function digest(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash("sha1").update(bytes).digest("hex")}`;
}

/** The digests of everything below a folder, by relative path. */
export function filesIn(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isDirectory()) found[path.slice(folder.length + 1)] = digest(readFileSync(path));
  }
  return found;
}

/** The codes of the diagnostics that `step` throws; it must throw a GraftError. */
export async function codesOf(step: () => unknown): Promise<string[]> {
  const { GraftError } = await import("../../src/diag/diagnostic.ts");
  try {
    await step();
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    return cause.diagnostics.map(({ code }) => code);
  }
  return [];
}
