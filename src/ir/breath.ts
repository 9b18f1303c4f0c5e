/**
 * Lets signals and timers through between long stretches of work.
 * @throws the reason of `signal` where it has come.
 */
export async function breath(signal?: AbortSignal): Promise<void> {
  await new Promise(setImmediate);
  signal?.throwIfAborted();
}
