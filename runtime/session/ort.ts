/** The one door to onnxruntime-node: loaded on first use, telemetry off. */
import { createRequire } from "node:module";
import type { InferenceSession } from "onnxruntime-node";

export type Ort = typeof import("onnxruntime-node");

let loaded: Ort | undefined;

/**
 * ONNX Runtime. The first call costs some 13 ms, its first session another 25; commands that run
 * nothing never pay. The Linux build reports home unless the variable is set before it loads.
 */
export function ort(): Ort {
  process.env.ORT_DISABLE_TELEMETRY ??= "1";
  loaded ??= createRequire(import.meta.url)("onnxruntime-node") as Ort;
  return loaded;
}

/** For sessions that are created for what they say and run once at most: one thread, no arena. */
export const lightly: InferenceSession.SessionOptions = {
  graphOptimizationLevel: "disabled",
  logSeverityLevel: 4,
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  enableCpuMemArena: false,
  enableMemPattern: false,
};

/** ONNX Runtime's own words, without the source places of its C++. */
export function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const opset = /Opset (\d+) is under development.*till opset (\d+)/s.exec(text);
  if (opset) return `its opset is ${opset[1]}, and the newest that is known is ${opset[2]}`;
  return text
    .replace(/^Load model from .*? failed:/s, "")
    .replace(/\/\S*onnxruntime\/\S+:\d+ [^\n]*?\) (?=\S)/g, "")
    .replace(/^(This is an invalid model\. )?((Fatal )?error: ?)?/i, "")
    .replace(/\s+/g, " ")
    .trim();
}
