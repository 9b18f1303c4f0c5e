/** Numbers as people read them. */

const thousands = ["", "K", "M", "G", "T", "P"];

/** Three digits and a suffix: `675M`, `1.40M`, `996`. */
export function showCount(value: number): string {
  return scaled(value, "");
}

/** Bytes in powers of 1000: `2.70 GB`, `512 B`. */
export function showBytes(value: number): string {
  return `${scaled(value, " ")}B`;
}

function scaled(value: number, gap: string): string {
  let size = Math.abs(value);
  let step = 0;
  while (size >= 999.5 && step < thousands.length - 1) {
    size /= 1000;
    step++;
  }
  const digits = step === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${value < 0 ? "-" : ""}${size.toFixed(digits)}${gap}${thousands[step]}`;
}

/** The change from `before` to `after`: `+0.3%`, `-49.9%`, `unchanged`. */
export function showChange(before: number, after: number): string {
  if (before === after) return "unchanged";
  if (before === 0) return "new";
  const percent = (100 * (after - before)) / before;
  const digits = Math.abs(percent) < 0.095 ? 2 : Math.abs(percent) < 99.95 ? 1 : 0;
  return `${percent > 0 ? "+" : ""}${percent.toFixed(digits)}%`;
}

/** Milliseconds as `85 ms`, `1.3 s`, `2 min 5 s`. */
export function showTime(milliseconds: number): string {
  if (milliseconds < 999.5) return `${milliseconds.toFixed(milliseconds < 9.95 ? 1 : 0)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(Math.round(seconds) / 60)} min ${Math.round(seconds) % 60} s`;
}

/** `1 block`, `14 blocks`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
