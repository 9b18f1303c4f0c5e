/** Where nodes grow: a patch, the opset it is for, and the sizes that can be read while it runs. */
import { fail } from "../diag/diagnostic.ts";
import { inMemory } from "../ir/bytes.ts";
import type { Value } from "../ir/graph.ts";
import { type DType, showType, type TensorType } from "../ir/types.ts";
import { type AttributeInput, attributesOf } from "./attributes.ts";
import { dimOf, type Extent, productOf, termsOf } from "./dims.ts";
import { encodeElements } from "./elements.ts";
import { ops } from "./index.ts";
import { type Operand, readerOf } from "./op.ts";
import type { Patch } from "./patch.ts";
import { createSizes, type Sizes } from "./sizes.ts";
import { storedInts } from "./stored.ts";
import { Wire } from "./wire.ts";

export interface GrowOptions {
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
  readonly domain?: string;
  readonly outputs?: number;
  /** Of the outputs, where no rule knows them. */
  readonly types?: readonly TensorType[];
}

export class Grower {
  readonly patch: Patch;
  /** 18 or later: axes of reductions are inputs, Split has `num_outputs`. */
  readonly opset: number;
  readonly sizes: Sizes;
  readonly #wires = new Map<Value, Wire>();

  constructor(patch: Patch, opset: number) {
    this.patch = patch;
    this.opset = opset;
    this.sizes = createSizes(patch);
  }

  /**
   * A value of the host.
   * @throws GraftError `rank-unknown` where nothing is known of its shape.
   */
  wire(value: Value): Wire {
    const known = this.#wires.get(value);
    if (known) return known;
    const { type } = value;
    if (!type?.shape) throw fail("rank-unknown", { name: value.name, type: showType(type) });
    const shape = type.shape.map((dim) => this.#extent(dim));
    this.sizes.observe(value, shape);
    const wire = new Wire(this, value, type.dtype, shape, storedInts(value) ?? undefined);
    this.#wires.set(value, wire);
    return wire;
  }

  #extent(dim: number | string | null): Extent {
    if (dim === null) return this.sizes.unknown();
    return typeof dim === "number" ? dim : dimOf(termsOf(dim));
  }

  /** One node; its types follow from the rules of this folder unless they are given. */
  all(op: string, inputs: readonly (Wire | null)[], options: GrowOptions = {}): Wire[] {
    const { attributes = {}, outputs = 1, domain = "" } = options;
    const types =
      options.types ??
      ops.get(domain === "" ? op : `${domain}::${op}`)?.infer?.({
        inputs: inputs.map((input) => input && operandOf(input)),
        attributes: readerOf(attributesOf(attributes)),
        opset: this.opset,
        outputs,
      });
    if (!types) throw new Error(`no type is known for ${op}`);
    const values = this.patch.add(
      op,
      inputs.map((input) => input?.value ?? null),
      { attributes, domain, outputs, types },
    );
    return values.map((value) => this.wire(value));
  }

  /** A node of one output. */
  one(op: string, inputs: readonly (Wire | null)[], options: GrowOptions = {}): Wire {
    return this.all(op, inputs, options)[0]!;
  }

  scalar(dtype: DType, value: number): Wire {
    return this.wire(this.patch.scalar(dtype, value));
  }

  zeros(dtype: DType, shape: readonly Extent[]): Wire {
    return this.scalar(dtype, 0).expand(shape);
  }

  /** An int64 scalar. */
  size(dim: Extent): Wire {
    const value = this.sizes.scalar(dim);
    const type: TensorType = { dtype: "int64", shape: [] };
    value.type ??= type;
    return new Wire(this, value, "int64", [], [dim]);
  }

  /** 0, 1, ... as int64. */
  iota(count: Extent): Wire {
    return this.one("Range", [this.size(0), this.size(count), this.size(1)]);
  }

  /** An int64 vector known now: axes, bounds, shapes. */
  ints(values: readonly number[]): Wire {
    return new Wire(this, this.patch.ints(values), "int64", [values.length], values);
  }

  constant(dtype: DType, shape: readonly number[], values: ArrayLike<number>): Wire {
    const data = inMemory(encodeElements(dtype, values));
    return this.wire(this.patch.constant(dtype, shape, data));
  }

  /** An int64 vector of sizes, computed while the graph runs where they are symbolic. */
  shape(dims: readonly Extent[]): Wire {
    const value = this.sizes.vector(dims);
    const type: TensorType = { dtype: "int64", shape: [dims.length] };
    value.type ??= type;
    return new Wire(this, value, "int64", [dims.length], dims);
  }

  concat(parts: readonly Wire[], axis: number): Wire {
    return parts.length === 1 ? parts[0]! : this.one("Concat", parts, { attributes: { axis } });
  }

  /** Their sum; one of them alone is itself. */
  sum(parts: readonly Wire[]): Wire {
    return parts.reduce((a, b) => a.add(b));
  }

  /** How many elements these sizes hold. */
  count(dims: readonly Extent[], dtype: DType): Wire {
    const count = productOf(dims)!;
    if (typeof count === "number") return this.scalar(dtype, count);
    return this.wire(this.sizes.scalar(count)).cast(dtype);
  }

  where(condition: Wire, yes: Wire, no: Wire): Wire {
    return this.one("Where", [condition, yes, no]);
  }
}

function operandOf({ dtype, shape, ints }: Wire): Operand {
  return { dtype, shape, ints };
}
