/** `--device`: where sessions run. */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import type { InferenceSession } from "onnxruntime-node";
import { fail } from "../../src/diag/diagnostic.ts";
import { encodeNode } from "../infer/single-node.ts";
import { reasonOf } from "./ort.ts";

export type Device =
  | { readonly kind: "cpu" }
  /** `index`: the ordinal of the GPU. */
  | { readonly kind: "cuda"; readonly index: number };

export const cpu: Device = { kind: "cpu" };

/** `cpu`, `cuda`, `cuda:1`; undefined for anything else. */
export function parseDevice(text: string): Device | undefined {
  if (text === "cpu") return cpu;
  const cuda = /^cuda(?::(\d+))?$/.exec(text);
  return cuda ? { kind: "cuda", index: Number(cuda[1] ?? 0) } : undefined;
}

/**
 * The session options of a device. A GPU that cannot be used is an error and never a quiet run on
 * the CPU; single operators without a CUDA kernel do run there, as ONNX Runtime places them.
 * @throws GraftError `cuda-unavailable` with the cause and how to get it.
 */
export function providersOf(
  device: Device,
): Pick<InferenceSession.SessionOptions, "executionProviders"> {
  if (device.kind === "cpu") return { executionProviders: ["cpu"] };
  requireCuda(device.index);
  return { executionProviders: [{ name: "cuda", deviceId: device.index }, "cpu"] };
}

/** @throws GraftError `cuda-unavailable`, before any work is done in vain. */
export function checkDevice(device: Device): void {
  if (device.kind === "cuda") requireCuda(device.index);
}

const usable = new Set<number>();

/**
 * Opens a session of one node in a process of its own: ONNX Runtime throws only that a library
 * failed to load, and prints which one, and why, to the stderr of the process.
 */
function requireCuda(index: number): void {
  if (usable.has(index)) return;
  const model = encodeNode(
    {
      opType: "Identity",
      domain: "",
      attributes: new Map(),
      opsets: new Map([["", 17]]),
      outputs: 1,
    },
    [{ dtype: "float32", shape: [1] }],
  );
  const path = JSON.stringify(createRequire(import.meta.url).resolve("onnxruntime-node"));
  const options = `{ executionProviders: [{ name: "cuda", deviceId: ${index} }] }`;
  const script = `require(${path}).InferenceSession
    .create(Buffer.from("${Buffer.from(model).toString("base64")}", "base64"), ${options})
    .then(() => process.exit(0), (e) => { console.error("\\n" + e.message); process.exit(1); });`;
  const { status, stderr } = spawnSync(process.execPath, ["-e", script], {
    env: { ...process.env, ORT_DISABLE_TELEMETRY: "1" },
    encoding: "utf8",
  });
  if (status !== 0) throw cudaUnavailable(causeIn(stderr));
  usable.add(index);
}

/** From `... Failed to load library A with error: A: cannot open ...`, the part behind `error:`. */
function causeIn(stderr: string): string {
  const loading = /with error: (.*)/.exec(stderr)?.[1];
  const path = /^\S*\/(?=[^/\s]+: )/;
  return (loading ?? reasonOf(stderr.trim().split("\n").at(-1))).replace(path, "").trim();
}

function cudaUnavailable(reason: string) {
  return fail(
    "cuda-unavailable",
    { reason },
    {
      hint: "get it by `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node`",
      notes: [
        "CUDA needs Linux on x64, an NVIDIA driver, CUDA 12 and cuDNN 9; or use --device cpu",
      ],
    },
  );
}
