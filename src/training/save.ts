/** What of a stage goes to disk: checkpoints, and in the end what it learned. */
import { mergedWeight } from "../../passes/train/lora.ts";
import type { LossGraph } from "../../passes/train/training-graph.ts";
import type { Run, Trainer } from "../../runtime/index.ts";
import { inMemory, materialize } from "../ir/bytes.ts";
import { byteLength, elements } from "../ir/types.ts";
import { type StoredTensor, writeSafetensors } from "../onnx/index.ts";
import { decodeElements, encodeElements } from "../onnx-ops/elements.ts";
import { transposed } from "../onnx-ops/transposed.ts";
import type { Programs } from "./programs.ts";

type Arrays = ReadonlyMap<string, Float32Array>;

/** @param at the recipe block, from 1, and its steps that are done. */
export async function saveCheckpoint(
  run: Run,
  { kept, slots }: Programs,
  trainer: Trainer,
  at: { readonly stage: number; readonly step: number },
): Promise<void> {
  const shapes = new Map(slots.map(({ name, shape }) => [name, shape]));
  await trainer.borrow(kept, (arrays) => {
    const tensors = kept.map(
      (name) => [name, stored(shapes.get(name)!, arrays.get(name)!)] as const,
    );
    return run.save({ ...at, tensors: new Map(tensors) });
  });
}

/**
 * Weights under their own names, adapters merged into theirs, as `--weights` and PyTorch read them:
 * float32, matrices of linear layers [out, in].
 */
export async function saveResult(
  path: string,
  { trained, adapters }: LossGraph,
  { results }: Programs,
  trainer: Trainer,
): Promise<void> {
  await trainer.borrow([...results.values()], async (arrays) => {
    const learned = new Map([...results].map(([name, slot]) => [name, arrays.get(slot)!]));
    const factors = new Set(adapters.flatMap(({ a, b }) => [a, b]));
    const own = trained.filter(({ value }) => !factors.has(value));
    const tensors = [
      ...own.map(({ name, shape, layout }) => {
        return [name, turnedIf(layout === "in,out", stored(shape, learned.get(name)!))] as const;
      }),
      ...adapters.map((adapter) => {
        return [adapter.name, turnedIf(adapter.turned, merged(adapter, learned))] as const;
      }),
    ];
    await writeSafetensors(path, tensors, {}, { durable: true });
  });
}

function turnedIf(turned: boolean, tensor: StoredTensor): StoredTensor {
  if (!turned) return tensor;
  const { dtype, shape, data } = tensor;
  const compute = () => transposed(materialize(data), dtype, shape as [number, number]);
  const length = byteLength(dtype, elements(shape));
  return { dtype, shape: shape.toReversed(), data: { kind: "computed", length, compute } };
}

function stored(shape: readonly number[], array: Float32Array): StoredTensor {
  const { buffer, byteOffset, byteLength } = array;
  return {
    dtype: "float32",
    shape,
    data: inMemory(new Uint8Array(buffer, byteOffset, byteLength)),
  };
}

function merged(adapter: LossGraph["adapters"][number], learned: Arrays): StoredTensor {
  const { dtype, shape, data } = adapter.weight.initializer!;
  const compute = () => {
    const before = decodeElements(dtype, materialize(data));
    const [a, b] = [adapter.a, adapter.b].map(({ name }) => learned.get(name)!);
    return encodeElements("float32", mergedWeight(adapter, before, a!, b!));
  };
  return {
    dtype: "float32",
    shape,
    data: { kind: "computed", length: 4 * elements(shape), compute },
  };
}
