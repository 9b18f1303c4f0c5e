/** Elements as whole numbers of their size, whichever that is: they are only moved. */
export type Words = Uint32Array;

/** The same memory where it is aligned, a copy where it is not. */
export function wordsOf(bytes: Uint8Array, size: number): Words {
  const Kind = { 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array }[size] ?? Uint8Array;
  // Not `slice`: that of a Buffer is a view.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const { buffer, byteOffset, length } = aligned;
  return new Kind(buffer as ArrayBuffer, byteOffset, length / size) as Words;
}
