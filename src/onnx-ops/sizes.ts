/** Symbolic sizes while the model runs: int64 values made of Shape nodes, each made once. */
import type { Value } from "../ir/graph.ts";
import { type Dim, type DType, dtypes } from "../ir/types.ts";
import { type Extent, grouped, termsOf } from "./dims.ts";
import { type Fraction, fractionOf, over } from "./fractions.ts";
import type { Patch } from "./patch.ts";

export interface Sizes {
  /** Tells where a size can be read: the first value that has it as an axis serves. */
  observe(value: Value, shape: readonly Extent[]): void;
  /** An int64 vector of these sizes. */
  vector(dims: readonly Extent[]): Value;
  /** An int64 scalar. */
  scalar(dim: Extent): Value;
  /** A new name for a size that nothing is known of. */
  unknown(): string;
  /** The atom `name`, worth what `make` computes as an int64 vector of one element. */
  derived(name: string, make: () => Value): string;
  /** a / b: exact where algebra shows it; else the atom `N/8`, which is taken to divide as a size. */
  quotient(a: Extent, b: Extent): Extent;
  /** What is above and below the line of a size; 1 is below where it has no quotients. */
  fraction(dim: Extent): Fraction;
  /** A size with quotients before they are cut to whole numbers, float32 []; undefined for the rest. */
  real(dim: Extent): Value | undefined;
}

const vectorType = (length: number) => ({ dtype: "int64" as DType, shape: [length] });

/** Names of sizes that came from nowhere start so; they are not written into types. */
export const unknownPrefix = "~";

export function createSizes(patch: Patch): Sizes {
  const sources = new Map<string, { value: Value; axis: number }>();
  const makers = new Map<string, () => Value>();
  const quotients = new Map<string, Fraction>();
  const shapes = new Map<Value, Value>();
  const made = new Map<string, Value>();
  let unknowns = 0;
  /** Rows and columns of a grid are read from the model's inputs where tokens have but N. */
  let inputsSeen = false;

  function shapeOf(value: Value): Value {
    const rank = value.type?.shape?.length ?? 0;
    const shape = shapes.get(value) ?? patch.one("Shape", [value], { types: [vectorType(rank)] });
    shapes.set(value, shape);
    return shape;
  }

  function fold(op: "Mul" | "Add", values: readonly Value[]): Value {
    return values.reduce((a, b) => patch.one(op, [a, b], { types: [vectorType(1)] }));
  }

  function one(dim: Extent): Value {
    if (typeof dim === "number") return patch.ints([dim]);
    const value = made.get(dim) ?? make(dim);
    made.set(dim, value);
    return value;
  }

  function make(dim: string): Value {
    const source = sources.get(dim);
    if (source) {
      return patch.one("Gather", [shapeOf(source.value), patch.ints([source.axis])], {
        attributes: { axis: 0 },
        types: [vectorType(1)],
      });
    }
    const maker = makers.get(dim);
    if (maker) return maker();
    const multiple = multipleOf(dim);
    if (multiple) {
      return patch.one("Div", [one(multiple.source), one(multiple.factor)], {
        types: [vectorType(1)],
      });
    }
    return fold(
      "Add",
      termsOf(dim).map(({ factor, atoms }) => {
        const factors = factorsOf(atoms);
        return fold(
          "Mul",
          (factor === 1 && atoms.length ? factors : [factor, ...factors]).map(one),
        );
      }),
    );
  }

  /** An axis that is so many times this atom: 32*ceil(N/32), in whose graph nobody else divides. */
  function multipleOf(atom: string): { source: string; factor: number } | undefined {
    for (const source of sources.keys()) {
      const [term, ...more] = termsOf(source);
      if (more.length > 0 || !term || term.factor < 2) continue;
      if (term.atoms.length === 1 && term.atoms[0] === atom) return { source, factor: term.factor };
    }
    return undefined;
  }

  /** Atoms, or products of them where only those can be read: N of a grid is `columns*rows`. */
  function factorsOf(atoms: readonly string[]): string[] {
    const [first] = atoms;
    if (first === undefined) return [];
    if (sources.has(first) || makers.has(first) || multipleOf(first)) {
      return [first, ...factorsOf(atoms.slice(1))];
    }
    for (const source of sources.keys()) {
      const [term, ...more] = termsOf(source);
      if (more.length > 0 || term?.factor !== 1 || !term.atoms.includes(first)) continue;
      const rest = without(atoms, term.atoms);
      if (rest) return [source, ...factorsOf(rest)];
    }
    if (inputsSeen) throw new Error(`nothing at hand has the size ${first}`);
    inputsSeen = true;
    for (const input of patch.graph.inputs) observe(input, input.type?.shape ?? []);
    return factorsOf(atoms);
  }

  function observe(value: Value, shape: readonly Dim[]): void {
    shape.forEach((dim, axis) => {
      if (typeof dim === "string" && !sources.has(dim)) sources.set(dim, { value, axis });
    });
  }

  function scalar(dim: Extent): Value {
    return patch.one("Squeeze", [one(dim), patch.ints([0])], {
      types: [{ dtype: "int64", shape: [] }],
    });
  }

  function derived(name: string, maker: () => Value): string {
    if (!makers.has(name)) makers.set(name, maker);
    return name;
  }

  const fraction = (dim: Extent) => fractionOf(dim, quotients);

  return {
    observe,
    scalar,
    derived,
    fraction,
    vector(dims) {
      if (dims.every((dim) => typeof dim === "number")) return patch.ints(dims);
      if (dims.length === 1) return one(dims[0]!);
      const parts = runsOf(dims).map((run) =>
        typeof run === "string" ? one(run) : patch.ints(run),
      );
      return patch.one("Concat", parts, {
        attributes: { axis: 0 },
        types: [vectorType(dims.length)],
      });
    },
    unknown: () => `${unknownPrefix}${++unknowns}`,
    quotient(a, b) {
      const parts = over(fraction(a), fraction(b));
      const { above, below } = parts;
      if (below === 1) return above;
      const name = `${grouped(above)}/${grouped(below)}`;
      quotients.set(name, parts);
      return derived(name, () =>
        patch.one("Div", [one(above), one(below)], { types: [vectorType(1)] }),
      );
    },
    real(dim) {
      const { above, below } = fraction(dim);
      if (below === 1) return undefined;
      const types = [{ dtype: "float32" as const, shape: [] }];
      const [x, y] = [above, below].map((part) =>
        patch.one("Cast", [scalar(part)], { attributes: { to: dtypes.float32.code }, types }),
      );
      return patch.one("Div", [x!, y!], { types });
    },
  };
}

/** Neighbouring numbers together, symbolic sizes alone. */
function runsOf(dims: readonly Extent[]): (string | number[])[] {
  const runs: (string | number[])[] = [];
  for (const dim of dims) {
    const last = runs.at(-1);
    if (typeof dim === "string") runs.push(dim);
    else if (Array.isArray(last)) last.push(dim);
    else runs.push([dim]);
  }
  return runs;
}

/** What is left of a product; undefined where it does not hold all of the factors. */
function without(atoms: readonly string[], factors: readonly string[]): string[] | undefined {
  const rest = [...atoms];
  for (const factor of factors) {
    const at = rest.indexOf(factor);
    if (at < 0) return undefined;
    rest.splice(at, 1);
  }
  return rest;
}
