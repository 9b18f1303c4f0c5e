/** Many steps of training with the graphs of tests, as a host of the artifacts would drive them. */
import type { OptimizerModel } from "../../../passes/train/optimizers.ts";
import type { Model } from "../../../src/ir/graph.ts";
import type { Numbers } from "../../lower/workbench.ts";
import { type Feeds, open, scalar } from "./workbench.ts";

export interface Run {
  readonly training: Model;
  readonly optimizer: OptimizerModel;
  /** Parameters as they start, and what else every step is fed. */
  readonly start: Feeds;
  readonly steps: number;
  /** Data and `learning_rate` of a step, from 0. */
  batch(step: number): Feeds;
  /** Everything after so many steps: losses, norms, parameters, states, averages. */
  after(steps: number, values: Feeds): void;
}

export async function train({ training, optimizer, start, steps, batch, after }: Run) {
  const forward = await open(training);
  const update = await open(optimizer.model);
  const values = new Map(start);
  for (const { name, role, shape, of } of optimizer.inputs) {
    const size = (shape as number[]).reduce((a, b) => a * b, 1);
    if (role === "state")
      values.set(name, { shape: shape as number[], data: new Float32Array(size) });
    if (role === "ema") values.set(name, start.get(of!)!);
  }
  const losses: number[] = [];
  const norms: number[] = [];
  for (let step = 0; step < steps; step++) {
    for (const [name, value] of batch(step)) values.set(name, value);
    values.set("step", scalar(step + 1));
    const gradients = await forward.run(values);
    losses.push(gradients.get("loss")!.data[0]!);
    const updated = await update.run(new Map([...values, ...gradients]));
    for (const { name, role, of, shape } of optimizer.outputs) {
      const { data } = updated.get(name)!;
      if (role === "norm") norms.push(data[0]!);
      else values.set(of, { shape: values.get(of)?.shape ?? shape, data });
    }
    after(step + 1, new Map([...values, ["loss", vector(losses)], ["grad_norm", vector(norms)]]));
  }
  await forward.release();
  await update.release();
}

function vector(numbers: readonly number[]): Numbers {
  return { shape: [numbers.length], data: Float32Array.from(numbers) };
}

export function rowOf({ shape, data }: Numbers, from: number, rows = 1): Numbers {
  const [, ...rest] = shape;
  const size = rest.reduce((a, b) => a * b, 1);
  const shapeOf = rows === 1 ? rest : [rows, ...rest];
  return { shape: shapeOf, data: data.slice(from * size, (from + rows) * size) };
}

export function turned({ shape, data }: Numbers): Numbers {
  const [rows, columns] = shape as [number, number];
  const values = data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
  return { shape: [columns, rows], data: values };
}
