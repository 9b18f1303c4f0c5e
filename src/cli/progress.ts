/** Progress of long work, on stderr. */
import { showBytes } from "../diag/figures.ts";

export interface Progress {
  /**
   * `done` of `total` are done of what `label` says.
   * @param words say more of it; without them both are bytes.
   */
  update(label: string, done: number, total: number, words?: string): void;
  /** Takes the bar off the terminal, so that other text starts on a clean line. */
  clear(): void;
}

/** Shorter work is over before anyone wonders. */
const patience = 1000;
const frame = 100;
/** Between two lines, where there is no terminal: so long, or this share of all the time so far. */
const pause = 3000;
const share = 1 / 20;
const width = 28;

export function createProgress(
  stream: NodeJS.WriteStream,
  form: "bar" | "lines" | "silent",
): Progress {
  /** When the first word of progress came. */
  let begun = 0;
  let last = 0;
  let drawn = false;

  function clear(): void {
    if (drawn) stream.write("\r\x1b[K");
    drawn = false;
  }

  function bar(label: string, done: number, total: number, words?: string): void {
    const now = performance.now();
    if (now - begun < patience || (now - last < frame && done < total)) return;
    last = now;
    if (done >= total) {
      clear();
      return;
    }
    const filled = Math.round((width * done) / total);
    const track = `${"━".repeat(filled)}${"╌".repeat(width - filled)}`;
    const line = `${track} ${words ?? `${showBytes(done)} of ${showBytes(total)}`}  ${label}`;
    stream.write(`\r${line.slice(0, stream.columns - 1)}\x1b[K`);
    drawn = true;
  }

  function lines(label: string, done: number, total: number, words?: string): void {
    const now = performance.now();
    const wait = Math.max(pause, (now - begun) * share);
    if (now - Math.max(begun, last) < wait || done >= total) return;
    last = now;
    const percent = Math.floor((100 * done) / total);
    stream.write(`${label}: ${words ?? `${percent}% of ${showBytes(total)}`}\n`);
  }

  const show = form === "bar" ? bar : form === "lines" ? lines : () => {};
  return {
    update(label, done, total, words) {
      begun ||= performance.now();
      show(label, done, total, words);
    },
    clear,
  };
}
