import { readFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";

/** Bytes that this process may still take, what it has already included. */
export function memoryForUs(): number {
  const own = process.memoryUsage.rss();
  const limit = process.constrainedMemory();
  const within = limit > 0 && limit < totalmem() ? limit : Number.POSITIVE_INFINITY;
  return Math.min(available() + own, within);
}

/** With what the page cache would give back, where the system says so. */
function available(): number {
  try {
    const text = readFileSync("/proc/meminfo", "utf8");
    const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(text)?.[1];
    if (kilobytes) return 1024 * Number(kilobytes);
  } catch {
    // Not Linux.
  }
  return freemem();
}
