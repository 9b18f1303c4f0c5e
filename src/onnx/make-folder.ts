import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder and those on the way to it. Node's own recursive `mkdir` goes round for ever where
 * a folder is missing however often it is made, as below /proc.
 * @returns the folders that were not there, inner first.
 * @throws what the system refuses.
 */
export function makeFolder(path: string): string[] {
  const missing: string[] = [];
  for (let at = resolve(path); !isFolder(at); at = dirname(at)) missing.push(at);
  for (const folder of missing.toReversed()) mkdirSync(folder);
  return missing;
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
