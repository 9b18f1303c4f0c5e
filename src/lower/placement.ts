/** What one operator in one place is lowered with. */
import { type Details, fail, type GraftError, type Reporter } from "../diag/diagnostic.ts";
import type { Model, Value } from "../ir/graph.ts";
import type { Oracle } from "../ir/oracle.ts";
import type { DType } from "../ir/types.ts";
import { termsOf } from "../onnx-ops/dims.ts";
import type { Patch } from "../onnx-ops/patch.ts";
import type { Sizes } from "../onnx-ops/sizes.ts";
import type { Host } from "./host.ts";
import type { Layout } from "./inherit.ts";
import type { Stream } from "./stream.ts";
import type { Val, Wire } from "./values.ts";

/** The part of a placement that tensor arithmetic needs. */
export interface Ground {
  readonly model: Model;
  readonly patch: Patch;
  readonly oracle: Oracle;
  /** Version of ai.onnx that the model imports. */
  readonly opset: number;
  /** Element type of the operator's input `x`: what `float(...)` means. */
  readonly dtype: DType;
  readonly sizes: Sizes;
}

export interface Placement extends Ground {
  readonly host: Host;
  readonly reporter: Reporter;
  readonly seed: number;
  readonly inherit: boolean;
  /** What stored names begin with: `blocks.1.attn`. */
  readonly scope: string;
  /** Element type and layout of the weights that were here. */
  readonly weightType: DType;
  readonly layout: Layout;
  readonly stream: Stream;
  readonly x: Wire;
  readonly context: Wire | null;
  /** `B`, `N`, `H`, ... of the place. */
  readonly names: ReadonlyMap<string, Val>;
  /** Why the place does not have the rest of them. */
  readonly missing: ReadonlyMap<string, string>;
  /** Made so far. */
  readonly weights: PlacedWeight[];
  /** Of operators by operators, so far. */
  readonly calls: { count: number };
}

/** A weight that an operator brought. */
export interface PlacedWeight {
  /** As the operator calls it: `in_proj`. */
  readonly layer: string;
  /** `weight`, `bias`, or "" for one that was declared with `weight`. */
  readonly tensor: string;
  /** As it is stored: `blocks.1.attn.in_proj.weight`. */
  readonly name: string;
  readonly value: Value;
  /** Of a linear's weight; null for all others, which lie as in PyTorch. */
  readonly layout: Layout | null;
  /** The host's own bytes; rows of the host's, copied; or what its initialiser gives. */
  readonly source: "inherited" | "computed" | "fresh";
}

/** The error of a size that is wanted now and known only when the model runs. */
export function symbolicSize(
  { model }: Ground,
  what: string,
  size: string,
  details: Details = {},
): GraftError {
  const atoms = termsOf(size).flatMap((term) => term.atoms);
  const axes = model.graph.inputs.flatMap((input) =>
    (input.type?.shape ?? []).flatMap((dim, axis) =>
      typeof dim === "string" && (dim === size || atoms.includes(dim))
        ? [`\`${dim}\` is axis ${axis} of the model's input \`${input.name}\``]
        : [],
    ),
  );
  return fail("symbolic-size", { what, size }, { ...details, notes: axes.slice(0, 1) });
}
