/** Functions of one number, element by element. */
import { likeFirst, type OpLiteral } from "./op.ts";
import { flat, type UnaryVjpRequest, type Vjp, vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

type Slope = (request: UnaryVjpRequest & { readonly a: Wire }) => Wire;

/** dx of y = f(x), of which `a` is the x. */
const slopes: Readonly<Record<string, Slope>> = {
  // 0 at 0, as Sign is.
  Abs: ({ dy, a }) => dy.mul(a.sign()),
  Exp: ({ dy, y }) => dy.mul(y),
  Log: ({ dy, a }) => dy.div(a),
  Sqrt: ({ dy, y }) => dy.div(y).mul(0.5),
  Reciprocal: ({ dy, y }) => dy.mul(y.square()).neg(),
  Sin: ({ dy, a }) => dy.mul(a.unary("Cos")),
  Cos: ({ dy, a }) => dy.mul(a.unary("Sin")).neg(),
  Tan: ({ dy, y }) => dy.mul(y.square().add(1)),
  Asin: ({ dy, a }) => dy.div(a.square().from(1).sqrt()),
  Acos: ({ dy, a }) => dy.div(a.square().from(1).sqrt()).neg(),
  Atan: ({ dy, a }) => dy.div(a.square().add(1)),
  Sinh: ({ dy, a }) => dy.mul(a.unary("Cosh")),
  Cosh: ({ dy, a }) => dy.mul(a.unary("Sinh")),
  Asinh: ({ dy, a }) => dy.div(a.square().add(1).sqrt()),
  Acosh: ({ dy, a }) => dy.div(a.square().sub(1).sqrt()),
  Atanh: ({ dy, a }) => dy.div(a.square().from(1)),
  Erf: ({ dy, a }) =>
    a
      .mul(a.neg())
      .exp()
      .mul(2 / Math.sqrt(Math.PI))
      .mul(dy),
};

const steps = "Sign Floor Ceil Round Not";

export const functions: readonly OpLiteral[] = [
  ...Object.entries(slopes).map(
    ([op, slope]): OpLiteral => ({ op, infer: likeFirst, vjp: slopeRule(slope) }),
  ),
  ...steps.split(" ").map((op): OpLiteral => ({ op, infer: likeFirst, vjp: flat })),
];

function slopeRule(slope: Slope): Vjp {
  return vjp((request) => [slope({ ...request, a: request.x[0]! })]);
}
