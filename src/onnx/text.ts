/**
 * Text as the format has it: UTF-8, but files exist that hold other bytes. Those become lone
 * surrogates U+DC80..U+DCFF, as in Python's surrogateescape, so that every name survives.
 */

/** What `toString("utf8", from, to)` calls, at a third of the time; protobufjs relies on it too. */
type Utf8Slice = { utf8Slice(from: number, to: number): string };

export function decodeText(buffer: Buffer, from: number, to: number): string {
  const text = (buffer as unknown as Utf8Slice).utf8Slice(from, to);
  return text.includes("\ufffd") ? decodeWild(buffer.subarray(from, to), text) : text;
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
function decodeWild(bytes: Buffer, lossy: string): string {
  if (Buffer.from(lossy).equals(bytes)) return lossy;
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

const words = new Map<string, string>();
const mostWords = 4096;

/** The one copy that is kept of a text that occurs again and again: operators, keys of metadata. */
export function shared(text: string): string {
  const known = words.get(text);
  if (known !== undefined) return known;
  if (words.size < mostWords) words.set(text, text);
  return text;
}
