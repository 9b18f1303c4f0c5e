import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { format } from "../../grammar/index.ts";
import { GraftError } from "../../src/diag/diagnostic.ts";
import { sourceOf, statementsOf } from "./trees.ts";

function formatted(text: string): string {
  const once = format(sourceOf(text));
  expect(format(sourceOf(once))).toBe(once);
  return once;
}

const folder = "test/fixtures/graft";
const read = (file: string) => readFileSync(`${folder}/${file}`, "utf8");

test.each(readdirSync(folder))("%s keeps its tree", (file) => {
  expect(statementsOf(formatted(read(file)))).toEqual(statementsOf(read(file)));
});

test.each([
  "hyena_se.graft",
  "linear_attention.graft",
  "swa.graft",
  "language-operators.graft",
  "language-rewrite.graft",
])("%s is formatted already", (file) => {
  expect(formatted(read(file))).toBe(read(file));
});

test("a file's edits keep one space between words, and their comments their column", () => {
  expect(formatted(read("language-file.graft"))).toBe(
    read("language-file.graft").replace("resize  blocks", "resize blocks"),
  );
});

test("what is too wide breaks at its brackets, one entry a line", () => {
  expect(formatted(read("language-recipes.graft"))).toBe(`distill {
  attn: l1,
  mlp: l2,
  steps: 2000,
  batch: 64,
  lr: 1e-4,
  schedule: step(every: 500, by: 0.5),
  clip: 10
} // stage 1: each new operator alone
finetune {
  objective: diffusion,
  train: all,
  steps: 50000,
  batch: 256,
  lr: 1e-4,
  warmup: 1000,
  ema: 0.9999
} // stage 2
`);
});

test("long sums break behind their weakest operators", () => {
  const text = `operator a { y = ${Array(12).fill("alpha * gamma").join(" + ")} return y }`;
  expect(formatted(text)).toBe(`operator a {
  y = alpha * gamma +
${Array(10).fill("    alpha * gamma +\n").join("")}    alpha * gamma
  return y
}
`);
});

test("lists of plain elements fill their lines", () => {
  const numbers = Array.from({ length: 40 }, (_, i) => 100 + i);
  expect(formatted(`remove blocks[${numbers.join(",")}]`)).toBe(`remove blocks[
  ${numbers.slice(0, 19).join(", ")},
  ${numbers.slice(19, 38).join(", ")},
  ${numbers.slice(38).join(", ")}
]
`);
});

test("white space is normal", () => {
  const text = `\uFEFFreplace   blocks [ 1 .. 13   by 2 ] . attn with f( a:1 ,b : [ - 1 , x [ .. , 0 : 4 , : ] ] )\r\n
\r\n\r\n\r\nensure{parameters:<640M,flops:==1G}operator f(a:int=-1)for attn{if not a<1{return x}else if a{return-x}else{return(x)@ -y**2}}
resize blocks[all].mlp to ratio (8/3)  remove blocks[top 4 by -variance]expect 4`;
  expect(formatted(text)).toBe(`replace blocks[1..13 by 2].attn with f(a: 1, b: [-1, x[.., 0:4, :]])

ensure { parameters: < 640M, flops: == 1G }
operator f(a: int = -1) for attn {
  if not a < 1 {
    return x
  } else if a {
    return -x
  } else {
    return (x) @ -y ** 2
  }
}
resize blocks[all].mlp to ratio (8 / 3)
remove blocks[top 4 by -variance] expect 4
`);
});

test("layers align; other lines where they were aligned", () => {
  const text = `operator f for attn {
  layer a = linear(D, D)
  layer long_name = linear(D, D)

  layer b = linear(D, D)
  weight one: [D] = ones
  weight three: [D, D] = ones
  q, k = f(x)
  y    = g(x)
  w = h(x)
}
`;
  expect(formatted(text)).toBe(`operator f for attn {
  layer a         = linear(D, D)
  layer long_name = linear(D, D)

  layer b = linear(D, D)
  weight one: [D] = ones
  weight three: [D, D] = ones
  q, k = f(x)
  y    = g(x)
  w = h(x)
}
`);
});

test("every comment stays in its place", () => {
  const text = `// file


/* block */ remove blocks[0] // trailing
remove blocks[1]      // column 22
replace // after replace
blocks[ // in brackets
0 /* inline */, 1] /* before with */ with f(
// before a
a: 1, // after a
// before b
b: 2
// at the end
)
/// doc
operator f {
// only
}
operator g { // head

y = x // line
// last

}
distill { /* none */ }
// end`;
  expect(formatted(text)).toBe(`// file

/* block */ remove blocks[0] // trailing
remove blocks[1]      // column 22
replace // after replace
  blocks[ // in brackets
  0 /* inline */, 1
] /* before with */ with f(
  // before a
  a: 1, // after a
  // before b
  b: 2
  // at the end
)
/// doc
operator f {
  // only
}
operator g { // head
  y = x // line
  // last
}
distill { /* none */ }
// end
`);
});

test("the branches of an if stand below each other, whatever is behind them", () => {
  const text = `operator f { if a { y = x } // then
else if b { y = z } /* no */ else { // else
y = 2 } }`;
  expect(formatted(text)).toBe(`operator f {
  if a {
    y = x
  } // then
  else if b {
    y = z
  } /* no */ else { // else
    y = 2
  }
}
`);
});

test("rewrites keep their clauses in one column", () => {
  const text = `rewrite r in blocks[all] { match a = Add(x, y) b = Mul?(a, -1 | [1,2]) where x.rank == 2 with a = Sub(x,y) b = a } optional`;
  expect(formatted(text)).toBe(`rewrite r in blocks[all] {
  match a = Add(x, y)
        b = Mul?(a, -1 | [1, 2])
  where x.rank == 2
  with  a = Sub(x, y)
        b = a
} optional
`);
});

test.each(["", "\n\n", "// only a comment", "/* a */ /* b */"])("%j has no statements", (text) => {
  expect(formatted(text)).toBe(text.trim() === "" ? "" : `${text}\n`);
});

test("a text with errors is refused, with all of them", () => {
  const codes = (text: string) => {
    try {
      return format(sourceOf(text));
    } catch (cause) {
      return (cause as GraftError).diagnostics.map((d) => d.code);
    }
  };
  expect(codes("remove\nremove blocks[0];")).toEqual(["unexpected-token", "stray-text"]);
  expect(() => format(sourceOf("remove"))).toThrow(GraftError);
});
