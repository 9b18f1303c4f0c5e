import { abandonWrites } from "../onnx/index.ts";

/**
 * Ctrl-C and SIGTERM ask the work to stop, and what writes files cleans up after itself. A second
 * signal does not wait any longer.
 */
export function interruption(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) end();
    controller.abort();
  };
  const release = () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);

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
