/** Operators that hand elements on: as they are, in another type, or some of them. */
import { dtypeOfCode } from "../ir/types.ts";
import { likeFirst, type OpLiteral } from "./op.ts";
import { flat, type Vjp, vjp } from "./vjp.ts";

const passes: Vjp = vjp(({ dy }) => [dy]);

/** Without a training mode, or where that is off, nothing is dropped. */
const dropout: Vjp = (request) => {
  const { dy, x, output, grower } = request;
  const [, ratio, training] = x;
  if (!dy[0]) return [];
  if (!training || training.known?.[0] === 0) return [dy[0]];
  const kept = ratio ? ratio.cast(dy[0].dtype).from(1) : grower.scalar(dy[0].dtype, 0.5);
  return [dy[0].div(kept).where(output(1))];
};

export const elementwise: readonly OpLiteral[] = [
  { op: "Identity", infer: likeFirst, vjp: passes },
  {
    op: "Cast",
    infer: ({ inputs: [x], attributes }) => {
      const dtype = dtypeOfCode(attributes.int("to") ?? 0);
      return x && dtype ? [{ dtype, shape: x.shape }] : null;
    },
    vjp: passes,
  },
  {
    op: "CastLike",
    infer: ({ inputs: [x, like] }) => (x && like ? [{ dtype: like.dtype, shape: x.shape }] : null),
    vjp: passes,
  },
  {
    op: "Dropout",
    infer: ({ inputs: [x], outputs }) => {
      if (!x) return null;
      const mask = { dtype: "bool" as const, shape: x.shape };
      return [{ dtype: x.dtype, shape: x.shape }, mask].slice(0, outputs);
    },
    vjp: dropout,
  },
  { op: "Hardmax", infer: likeFirst, vjp: flat },
];
