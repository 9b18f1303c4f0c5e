/** Whole processes from the outside: wall time, and on Linux anonymous memory. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** How often memory is read. Peaks shorter than this can be missed. */
const sampleEvery = 10;

/**
 * Runs `command`, a list of words, to its end.
 * @returns seconds of wall time, and the peak of RssAnon in bytes summed over the process and its
 * descendants (null where there is no /proc).
 */
export async function measure(command) {
  const begun = performance.now();
  const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  let anonymous = null;
  const sample = () => {
    const now = anonymousOf(child.pid);
    if (now !== null) anonymous = Math.max(anonymous ?? 0, now);
  };
  const timer = setInterval(sample, sampleEvery);
  const [code] = await once(child, "exit");
  const seconds = (performance.now() - begun) / 1000;
  clearInterval(timer);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${stderr}`);
  return { seconds, anonymous };
}

function anonymousOf(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const own = Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return children
      .split(" ")
      .filter(Boolean)
      .reduce((sum, child) => sum + (anonymousOf(Number(child)) ?? 0), own);
  } catch {
    return null;
  }
}

/** Runs every command in turn, round after round: what else the machine does meets all alike. */
export async function compare(commands, rounds, prepare) {
  const results = new Map(commands.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const { name, words } of commands) {
      prepare();
      const result = await measure(words);
      // The first round warms the page cache and is not counted.
      if (round > 0) results.get(name).push(result);
    }
  }
  return results;
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
