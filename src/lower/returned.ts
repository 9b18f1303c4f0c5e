/** What an operator returns, as the values that its place gave. */
import type * as ast from "../../grammar/ast.ts";
import { fail } from "../diag/diagnostic.ts";
import type { Value } from "../ir/graph.ts";
import { type Dim, type DType, dtypes, showType, type TensorType } from "../ir/types.ts";
import { dimOf, termsOf } from "../onnx-ops/dims.ts";
import type { Site } from "../plan/plan.ts";
import type { Returned } from "./body.ts";
import { cast, nodeValue } from "./grow.ts";
import { asTensor } from "./params.ts";
import type { Placement } from "./placement.ts";
import { formAs, leave, seen } from "./stream.ts";
import { isOperand, show, type Tensor } from "./values.ts";

/** @throws GraftError where the operator returns something else than the part did. */
export function takeReturned(
  { site, operator }: { readonly site: Site; readonly operator: ast.Operator },
  placement: Placement,
  { values, at }: Returned,
): Value[] {
  const wanted = site.part?.outputs ?? [
    site.block.output,
    ...(site.block.context?.output ? [site.block.context.output] : []),
  ];
  const name = operator.name.name;
  if (values.length !== wanted.length) {
    const count = counted(values.length, "value");
    const params = {
      operator: name,
      count,
      site: site.label,
      wanted: counted(wanted.length, "output"),
    };
    throw fail("returned-count", params, { at });
  }
  const { stream, x } = placement;
  return values.map((value, i) => {
    const tensor = isOperand(value) ? asTensor(placement, value) : null;
    const own = wanted[i]!.type ?? { dtype: x.dtype, shape: stream.shape };
    const form = i === 0 ? formAs(stream, own.shape) : stream.beside;
    const type = { ...own, shape: own.shape && seen(form, own.shape, x.shape.slice(0, 2)) };
    if (!tensor || !fits(tensor, type, x.dtype)) {
      const params = { operator: name, got: show(value), site: site.label, wanted: showType(type) };
      throw fail("returned-type", params, {
        at,
        hint: tensor && !isOfType(tensor, type, x.dtype) ? "`float(...)` is the type of `x`" : null,
      });
    }
    const inType = cast(placement, tensor, own.dtype);
    return nodeValue(placement, leave(placement, form, inType, stream.shape));
  });
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** In the type of `x`, which the place turns into its own, or in that. */
function isOfType({ dtype }: Tensor, wanted: TensorType, computed: DType): boolean {
  return dtype === wanted.dtype || (dtype === computed && dtypes[wanted.dtype].float);
}

function fits(got: Tensor, wanted: TensorType, computed: DType): boolean {
  if (!isOfType(got, wanted, computed)) return false;
  if (!wanted.shape) return true;
  const vague = (dim: Dim) => dim === null || /[~?]/.test(String(dim));
  return (
    got.shape.length === wanted.shape.length &&
    got.shape.every((dim, i) => {
      const other = wanted.shape![i]!;
      return canonical(dim) === canonical(other) || vague(dim) || vague(other);
    })
  );
}

/** Exporters write sizes in their own ways. */
function canonical(dim: Dim): Dim {
  return typeof dim === "string" ? dimOf(termsOf(dim)) : dim;
}
