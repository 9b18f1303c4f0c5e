/** Operators that work element by element; operands broadcast as NumPy's do. */
import { dtypeOfCode } from "../ir/types.ts";
import { broadcast, type OpLiteral, ranked } from "./op.ts";
import { vjp } from "./vjp.ts";

const keepsType =
  "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Clip Cos Cosh CumSum CumProd Elu Erf " +
  "Exp Floor Gelu HardSigmoid HardSwish Hardmax Identity LeakyRelu Log LogSoftmax " +
  "LpNormalization Mish Neg Not PRelu Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh " +
  "Softmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Trilu";
const broadcasts =
  "Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Max Mean Min Mod Mul Or Pow Sub Sum Xor";
const compares = "Equal Greater GreaterOrEqual Less LessOrEqual";

export const elementwise: readonly OpLiteral[] = [
  ...keepsType.split(" ").map(
    (op): OpLiteral => ({
      op,
      infer: ({ inputs: [x] }) => (x ? [{ dtype: x.dtype, shape: x.shape }] : null),
    }),
  ),
  ...broadcasts.split(" ").map(
    (op): OpLiteral => ({
      op,
      infer: ranked((inputs) => [{ dtype: inputs[0]!.dtype, shape: broadcast(op, inputs) }]),
    }),
  ),
  {
    op: "Mul",
    infer: ranked((inputs) => [{ dtype: inputs[0]!.dtype, shape: broadcast("Mul", inputs) }]),
    vjp: vjp(({ dy, x: [a, b] }) => [dy.mul(b!), dy.mul(a!)]),
  },
  ...compares.split(" ").map(
    (op): OpLiteral => ({
      op,
      infer: ranked((inputs) => [{ dtype: "bool", shape: broadcast(op, inputs) }]),
    }),
  ),
  ...["IsNaN", "IsInf"].map(
    (op): OpLiteral => ({
      op,
      infer: ({ inputs: [x] }) => (x ? [{ dtype: "bool", shape: x.shape }] : null),
    }),
  ),
  {
    op: "Where",
    infer: ranked((inputs) => [{ dtype: inputs[1]!.dtype, shape: broadcast("Where", inputs) }]),
  },
  {
    op: "Cast",
    infer: ({ inputs: [x], attributes }) => {
      const dtype = dtypeOfCode(attributes.int("to") ?? 0);
      return x && dtype ? [{ dtype, shape: x.shape }] : null;
    },
  },
  {
    op: "CastLike",
    infer: ({ inputs: [x, like] }) => (x && like ? [{ dtype: like.dtype, shape: x.shape }] : null),
  },
];
