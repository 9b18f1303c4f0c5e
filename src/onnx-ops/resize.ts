/** Resampling along axes. */
import type { AttributeInput } from "./attributes.ts";
import { float } from "./attributes.ts";
import { type Extent, productOf } from "./dims.ts";
import { type AttributeReader, normalAxis, type OpLiteral } from "./op.ts";
import { vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

/**
 * Resize is linear and works on one axis after the other, so the matrix of an axis is what it makes
 * of the identity.
 */
export const resize: readonly OpLiteral[] = [
  {
    op: "Resize",
    vjp: vjp(({ dy, x: [x, , scales, sizes], y, attributes, refuse }) => {
      if (attributes.string("coordinate_transformation_mode") === "tf_crop_and_resize") {
        return refuse("it crops");
      }
      const axes = attributes.ints("axes")?.map((axis) => normalAxis(axis, x!.rank));
      const given = axes ?? x!.shape.map((_, i) => i);
      const factors = sizes ? undefined : scales?.known;
      if (!sizes && !factors) return refuse("its scales are computed");
      const moved = given.filter((axis, i) => {
        return factors ? factors[i] !== 1 : x!.shape[axis] !== y.shape[axis];
      });
      return [
        moved.reduce((part, axis) => {
          const [from, to] = [x!.shape[axis]!, y.shape[axis]!];
          const scale = factors?.[given.indexOf(axis)];
          const matrix = matrixOf(x!, { from, to, scale }, formOf(attributes));
          const front = productOf(part.shape.slice(0, axis)) as Extent;
          const behind = productOf(part.shape.slice(axis + 1)) as Extent;
          const rows = part.reshape([front, to, behind]);
          return matrix.matmul(rows).reshape(part.shape.with(axis, from));
        }, dy),
      ];
    }),
  },
];

interface Along {
  readonly from: Extent;
  readonly to: Extent;
  /** Undefined where it is to / from. */
  readonly scale: number | undefined;
}

/** [from, to]: what each element gives to each place. */
function matrixOf(
  { grower, dtype }: Wire,
  { from, to, scale }: Along,
  attributes: Readonly<Record<string, AttributeInput>>,
): Wire {
  const places = grower.iota(from);
  const identity = places.unsqueeze([1]).equal(places).cast(dtype);
  const form =
    scale === undefined
      ? [null, null, grower.shape([from, 1, to, 1])]
      : [null, grower.constant("float32", [4], [1, 1, scale, 1])];
  const planes = identity.reshape([from, 1, from, 1]);
  const made = grower.one("Resize", [planes, ...form], {
    attributes,
    types: [{ dtype, shape: [from, 1, to, 1] }],
  });
  return made.reshape([from, to]);
}

const words = ["mode", "coordinate_transformation_mode", "nearest_mode"] as const;
const flags = ["antialias", "exclude_outside"] as const;

function formOf(attributes: AttributeReader): Record<string, AttributeInput> {
  const said = (key: string, value: AttributeInput | undefined) =>
    value === undefined ? [] : [[key, value] as const];
  const cubic = attributes.float("cubic_coeff_a");
  return Object.fromEntries([
    ...words.flatMap((key) => said(key, attributes.string(key))),
    ...flags.flatMap((key) => said(key, attributes.int(key))),
    ...said("cubic_coeff_a", cubic === undefined ? undefined : float(cubic)),
  ]);
}
