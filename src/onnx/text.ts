/**
 * Text as the format has it: UTF-8, but files exist that hold other bytes. Those become lone
 * surrogates U+DC80..U+DCFF, as in Python's surrogateescape, so that every name survives.
 */

/**
 * Names repeat: they stand where a value is made and wherever it is read. The strings seen last are
 * kept by their hash, which is cheaper than making them anew.
 */
const recent = new Array<string>(1 << 14).fill("");
const longestRecent = 64;

export function decodeText(buffer: Buffer, from: number, to: number): string {
  if (to - from > longestRecent) return decodeWide(buffer, from, to);
  let hash = 0;
  for (let at = from; at < to; at++) {
    const byte = buffer[at]!;
    if (byte >= 0x80) return decodeWide(buffer, from, to);
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const slot = (hash ^ (hash >>> 14)) & (recent.length - 1);
  const known = recent[slot]!;
  if (sameText(known, buffer, from, to)) return known;
  const text = buffer.toString("latin1", from, to);
  recent[slot] = text;
  return text;
}

function sameText(text: string, buffer: Buffer, from: number, to: number): boolean {
  if (text.length !== to - from) return false;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== buffer[from + i]) return false;
  }
  return true;
}

const loneSurrogate = /\p{Surrogate}/u;

export function encodeText(text: string): Uint8Array {
  if (!loneSurrogate.test(text)) return Buffer.from(text);
  const pieces = [...text].map((char) => {
    const code = char.codePointAt(0)!;
    return code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(char);
  });
  return Buffer.concat(pieces);
}

/** Valid sequences as they are, every other byte by itself. */
function decodeWide(buffer: Buffer, from: number, to: number): string {
  const exact = buffer.toString("utf8", from, to);
  if (!exact.includes("\ufffd")) return exact;
  const bytes = buffer.subarray(from, to);
  if (Buffer.from(exact).equals(bytes)) return exact;
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = validSequence(bytes, at);
    const char = bytes.toString("utf8", at, at + length);
    text += length > 0 ? char : String.fromCharCode(0xdc00 + bytes[at]!);
    at += Math.max(length, 1);
  }
  return text;
}

/** Bytes of the well-formed character at `at`, 0 where there is none. */
function validSequence(bytes: Buffer, at: number): number {
  const lead = bytes[at]!;
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length === 0 || lead > 0xf4 || at + length > bytes.length) return 0;
  const char = bytes.subarray(at, at + length);
  return Buffer.from(char.toString("utf8")).equals(char) ? length : 0;
}
