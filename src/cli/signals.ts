import { abandonWrites } from "../onnx/index.ts";

/** Ctrl-C, the polite `kill`, and a terminal that is closed. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * A signal asks the work to stop, and what writes files cleans up after itself. A second one does
 * not wait any longer.
 */
export function interruption(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) end();
    controller.abort();
  };
  const release = () => {
    for (const signal of signals) process.off(signal, stop);
  };
  for (const signal of signals) process.on(signal, stop);

  /**
   * By the signal itself, which shells report as 130: `process.exit` would end the threads first,
   * and one that is inside of ONNX Runtime aborts the process.
   */
  function end(): void {
    abandonWrites();
    release();
    process.kill(process.pid, "SIGINT");
  }
  return { signal: controller.signal, release };
}
