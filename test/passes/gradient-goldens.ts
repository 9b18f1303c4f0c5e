/** PyTorch's values and gradients of single operators. */
import { materialize } from "../../src/ir/bytes.ts";
import { readSafetensors } from "../../src/onnx/safetensors.ts";
import { decodeElements } from "../../src/onnx-ops/elements.ts";
import { schemaOf } from "../../src/onnx-ops/schemas.ts";
import type { Numbers, OneNode, Operand, Tensors } from "./gradients.ts";

export interface GoldenCase {
  readonly name: string;
  readonly node: OneNode;
  readonly tolerance: number;
  /** The inputs, `dy0`, ... */
  readonly feeds: Tensors;
  /** `y0`, ... and `d.<input>`, ... */
  readonly wanted: Tensors;
}

/** Whose semantics the goldens have. */
const opset = 24;

interface CaseEntry {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attrs: Readonly<Record<string, number | string | readonly number[]>>;
  readonly outputs: readonly string[];
  readonly grads: readonly string[];
  readonly tolerance: number;
}

function attributesOf({ op, attrs }: CaseEntry): OneNode["attributes"] {
  const kinds = schemaOf(op, opset).schema!.attributes;
  return Object.fromEntries(
    Object.entries(attrs).map(([key, value]) => [
      key,
      kinds.get(key)!.kind === "f" ? { float: value as number } : value,
    ]),
  );
}

/** Whole numbers are stored in the model, masks are fed. */
export function readGoldens(): GoldenCase[] {
  const { tensors, metadata } = readSafetensors("test/fixtures/goldens/autodiff_ops.safetensors");
  const cases: Record<string, CaseEntry> = JSON.parse(metadata.get("cases")!);
  return Object.entries(cases).map(([name, entry]) => {
    const numbers = (key: string): Numbers => {
      const { dtype, shape, data } = tensors.get(`${name}/${key}`)!;
      return { dtype, shape, data: decodeElements(dtype, materialize(data)) };
    };
    const operand = (key: string): Operand | null => {
      if (key === "") return null;
      const value = numbers(key);
      return { ...value, name: key, stored: !entry.grads.includes(key) && value.dtype !== "bool" };
    };
    const keys = (names: readonly string[]) => new Map(names.map((key) => [key, numbers(key)]));
    return {
      name,
      node: {
        op: entry.op,
        opset,
        attributes: attributesOf(entry),
        inputs: entry.inputs.map(operand),
        outputs: entry.outputs.length,
        wanted: entry.grads,
      },
      tolerance: entry.tolerance,
      feeds: keys([
        ...entry.inputs.filter((key) => key !== ""),
        ...entry.outputs.map((key) => `d${key}`),
      ]),
      wanted: keys([...entry.outputs, ...entry.grads.map((key) => `d.${key}`)]),
    };
  });
}
