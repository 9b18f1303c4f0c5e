import { expect, test } from "vitest";
import { builtins } from "../../src/grafts.ts";
import { library } from "../../src/lower/library.ts";
import { evaluate, grow } from "./workbench.ts";

const elementwise =
  "abs ceil cos elu erf exp expm1 floor gelu hardswish log log1p logsigmoid leaky_relu mish reciprocal relu relu6 round rsqrt sigmoid sign silu sin softplus sqrt square tanh";
const positive = /^(log|log1p|reciprocal|rsqrt|sqrt)$/;

const expressions = [
  ...elementwise
    .split(" ")
    .map((name) => (positive.test(name) ? `${name}(abs(a) + 0.1)` : `${name}(a)`)),
  ...[
    "a + b",
    "a - b",
    "a * b",
    "a / (abs(b) + 1)",
    "-a",
    "(abs(a) + 0.1) ** b",
    "a @ transpose(b)",
  ],
  ...["min(a, b)", "max(a, b)", "min(a, 5)", "max(a, -5)", "clip(a, -1.5, 1)", "clip(a, 0.5, 2)"],
  ...["min(m, n)", "max(m, n)", "clip(m, -2, -1)", "clip(m, 1, 2)", "mod(m, 3)", "mod(a, 0.8)"],
  ...["select(a > b, a, b)", "select(m == n, a, b)", "float(a <= b and not (m != n))"],
  ...["sum(a)", "mean(a, axis: 1)", "max(a)", "min(a, axis: [1, 2])", "prod(a / 2)", "var(a)"],
  ...[
    "softmax(a)",
    "log_softmax(a, axis: 1)",
    "cumsum(a, axis: 1)",
    "logsumexp(a, axis: [1, 2])",
    "normalize(a)",
    "argmax(b)",
    "tan(a / 2)",
  ],
  ...[
    "pad(a, 1, 2, axis: 1)",
    "flip(a)",
    "tile(a, 2)",
    "roll(a, 2)",
    "roll(a, -9, axis: 1)",
    "repeat_interleave(a, 3, axis: 1)",
    'einsum("bnd,bmd->nm", a, b)',
    "gather(a, range(3) - 1)",
    "stack(a, b)",
  ],
  ...["concat(a, b, axis: 1)", "a[:, 1:-1, ..]", "a[.., none, :]", "split(a, 2)[1]"],
];

test.each(expressions)("%s is at compile time what it is at run time", async (expression) => {
  const shape = [1, 4, 6];
  const data = Float32Array.from({ length: 24 }, (_, i) => i * 0.19 - 2.22);
  const operator = `
    operator of() {
      a = x
      b = sin(3 * x) * 2
      m = int(round(a))
      n = int(round(b))
      return float(${expression})
    }
    operator both() for attn {
      known = float(reshape(range(24), [1, 4, 6])) * 0.19 - 2.22
      apart = reshape(abs(of(x) - of(known)), [-1])
      return x * 0 + max(apart)
    }`;
  const { model } = await grow(operator, { shape });
  const { data: apart } = await evaluate(model, { shape, data }, "disabled");
  for (const distance of apart) expect(distance).toBeLessThan(1e-5);
});

test("no built-in operator hides a function of the library", () => {
  expect([...builtins.operators.keys()].filter((name) => library.has(name))).toEqual([]);
});
