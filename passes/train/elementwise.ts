/** Operators that give at each place what follows from the inputs at that place. */
export const elementwise: ReadonlySet<string> = new Set(
  [
    "Add Sub Mul Div Pow Min Max Sum",
    "Abs Neg Sign Sqrt Reciprocal Exp Log Erf",
    "Sigmoid Tanh Gelu Softplus Relu Elu Selu LeakyRelu HardSigmoid HardSwish Softsign",
  ].flatMap((line) => line.split(" ")),
);
