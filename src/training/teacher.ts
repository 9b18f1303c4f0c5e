/** The original model beside the trained one: what `output` and `features` are to match. */
import { join } from "node:path";
import type { FinetuneGraph } from "../../passes/train/finetune.ts";
import { type Memory, memoryOf } from "../../passes/train/memory.ts";
import { noiseSample } from "../../passes/train/noised.ts";
import { retype } from "../../passes/train/retype.ts";
import { type FixedSizes, forTraining } from "../../passes/train/training-graph.ts";
import { type Device, type Feeds, openSession, type Tensor } from "../../runtime/index.ts";
import type { Value } from "../ir/graph.ts";
import { writeModel } from "../onnx/index.ts";
import { keepOutputs } from "../onnx-ops/interface.ts";
import type { Stage } from "./stages.ts";

export interface Teacher {
  /** What it takes beside its weights. */
  readonly memory: Memory;
  /** The targets of a batch, by the name of the input that takes them. */
  targets(feeds: Feeds): Promise<readonly (readonly [string, Tensor])[]>;
  close(): Promise<void>;
}

export interface TeacherOptions {
  readonly folder: string;
  readonly device: Device;
  readonly threads: number;
  readonly sizes: FixedSizes;
}

/** @returns null where the stage asks nothing of it. */
export async function openTeacher(
  { recipe, graph, edited }: Stage,
  { folder, device, threads, sizes }: TeacherOptions,
): Promise<Teacher | null> {
  const { targets = [], process = null } = graph as Partial<FinetuneGraph>;
  if (targets.length === 0) return null;
  const { model: read, anatomy, oracle } = await edited.original();
  const places = new Map<string, Value>(
    anatomy.stacks.flatMap(({ name, blocks }) =>
      blocks.map((block) => [`${name}[${block.index}]`, block.output] as const),
    ),
  );
  for (const output of read.graph.outputs) places.set(output.name, output);
  const model = forTraining(read, sizes);
  if (process) noiseSample(model, recipe, process);
  await retype(model, oracle);
  const values = targets.map(({ of }) => places.get(of)!);
  keepOutputs(model, [...new Set(values)]);
  const memory = memoryOf(model.graph);
  const path = join(folder, "teacher_model.onnx");
  await writeModel(model, path);
  const session = await openSession(path, { device, threads, planned: false });
  const ports = new Set(session.inputs.map(({ name }) => name));
  return {
    memory,
    async targets(feeds) {
      const own = new Map([...feeds].filter(([name]) => ports.has(name)));
      const { outputs } = await session.run(own);
      return targets.map(({ input }, i) => [input, outputs.get(values[i]!.name)!] as const);
    },
    close: () => session.release(),
  };
}
