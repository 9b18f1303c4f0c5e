/** Gradients against the slopes of what they are gradients of. */
import { randomFor } from "../../runtime/verify/random.ts";
import { type Dim, type DType, dtypes, elements } from "../../src/ir/types.ts";
import {
  type Numbers,
  type OneNode,
  type Operand,
  openBackward,
  openForward,
} from "./gradients.ts";

/**
 * How far each gradient is from central differences along random directions, relative to what a
 * random direction sees of it. With steps h and h/2 extrapolated to O(h^4) and values of size 1,
 * float32 leaves some 1e-4 of it at h = 0.02; a wrong rule is off by its whole error times a
 * normal number, and three directions do not all miss it.
 */
export async function differencesOf(node: OneNode): Promise<ReadonlyMap<string, number>> {
  const [backward] = await openBackward(node, ["all"]);
  const forward = await openForward(node);
  const inputs = new Map(node.inputs.flatMap((x) => (x ? [[x.name, x as Numbers] as const] : [])));
  const random = randomFor(0, node.op);
  const like = ({ dtype, shape }: Numbers): Numbers => ({
    dtype,
    shape,
    data: Float64Array.from({ length: elements(shape) }, () => random.normal()),
  });
  const seeds = [...(await forward.run(inputs))].flatMap(([name, y]) => {
    return dtypes[y.dtype].float ? [[`d${name}`, like(y)] as const] : [];
  });
  const gradients = await backward!.run(new Map([...inputs, ...seeds]));
  const lossAt = async (name: string, direction: Numbers, step: number) => {
    const x = inputs.get(name)!;
    const data = Float64Array.from(x.data, (value, i) => value + step * direction.data[i]!);
    const outputs = await forward.run(new Map([...inputs, [name, { ...x, data }]]));
    return seeds.reduce((sum, [key, dy]) => {
      const unused = node.unused?.includes(Number(key.slice(2)));
      return unused ? sum : sum + dot(dy, outputs.get(key.slice(1))!);
    }, 0);
  };
  const errors = new Map<string, number>();
  for (const name of node.wanted) {
    const gradient = gradients.get(`d.${name}`)!;
    const size = Math.sqrt(dot(gradient, gradient)) || 1;
    let worst = 0;
    for (let i = 0; i < 3; i++) {
      const direction = like(inputs.get(name)!);
      const slope = async (h: number) =>
        ((await lossAt(name, direction, h)) - (await lossAt(name, direction, -h))) / (2 * h);
      const h = 0.02;
      const truth = (4 * (await slope(h / 2)) - (await slope(h))) / 3;
      worst = Math.max(worst, Math.abs(truth - dot(gradient, direction)) / size);
    }
    errors.set(name, worst);
  }
  await Promise.all([backward!.release(), forward.release()]);
  return errors;
}

function dot(a: Numbers, b: Numbers): number {
  return Array.from(a.data).reduce((sum, value, i) => sum + value * b.data[i]!, 0);
}

/** A case in the words of a table: see `sample`. */
export interface Sample {
  readonly op: string;
  readonly opset?: number;
  readonly attributes?: OneNode["attributes"];
  /**
   * By name, in the node's order: sizes, with `batch` and `tokens` for symbolic ones; `over` where the
   * numbers lie (normal ones unless said); `values` of what is stored.
   */
  readonly inputs: Readonly<Record<string, SampleInput | null>>;
  readonly outputs?: number;
  readonly unused?: readonly number[];
}

export type SampleInput =
  | readonly Dim[]
  | { readonly shape: readonly Dim[]; readonly over: readonly [number, number] }
  | { readonly shape: readonly number[]; readonly values: readonly number[]; dtype?: DType };

const sizes: Readonly<Record<string, number>> = { batch: 2, tokens: 5 };

/** Every float input that is not given its values is differentiated. */
export function nodeOf(sample: Sample): OneNode {
  const { op, opset = 20, attributes = {}, inputs, outputs = 1, unused = [] } = sample;
  const operands = Object.entries(inputs).map(([name, input]) => input && operandOf(name, input));
  return {
    op,
    opset,
    attributes,
    inputs: operands,
    outputs,
    unused,
    wanted: operands.flatMap((x) => (x && !x.stored && dtypes[x.dtype].float ? [x.name] : [])),
  };
}

const isDims = (input: SampleInput): input is readonly Dim[] => Array.isArray(input);

function operandOf(name: string, input: SampleInput): Operand {
  const random = randomFor(0, name);
  if (!isDims(input) && "values" in input) {
    const { shape, values, dtype = "int64" } = input;
    return { name, dtype, shape, data: values, stored: true };
  }
  const { shape: declared, over } = isDims(input) ? { shape: input, over: null } : input;
  const shape = declared.map((dim) => (typeof dim === "string" ? sizes[dim]! : dim!));
  const draw = () => (over ? over[0] + (over[1] - over[0]) * random.uniform() : random.normal());
  const data = Float32Array.from({ length: elements(shape) }, draw);
  return { name, dtype: "float32", shape, declared, data };
}
