const unprintable = /[\p{Cc}\p{Cs}\u200B\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/u;
const zeroWidth = /[\p{M}\u200C\u200D]/u;
const wide =
  /[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\u3000-\u30FF\uFF01-\uFF60]/u;

/** How a terminal shows one character. */
export interface Glyph {
  readonly text: string;
  /** In terminal columns: 0 for combining marks, 2 for wide letters, 4 for a tab. */
  readonly width: number;
}

/** A text of ours with what a user gave in it, safe to print: only its line ends take effect. */
export function printable(text: string): string {
  const lines = text.split("\n");
  return lines.map((line) => Array.from(line, (c) => glyphOf(c).text).join("")).join("\n");
}

/** What would move the cursor or turn the text around becomes a replacement character. */
export function glyphOf(character: string): Glyph {
  if (character === "\t") return { text: "    ", width: 4 };
  if (unprintable.test(character)) return { text: "\uFFFD", width: 1 };
  if (zeroWidth.test(character)) return { text: character, width: 0 };
  return { text: character, width: wide.test(character) ? 2 : 1 };
}
