/** The functions that every operator may call, by their lower-case names. */
import { makeFunctions } from "./library-make.ts";
import { mathFunctions } from "./library-math.ts";
import { shapeFunctions } from "./library-shape.ts";
import type { LibraryFunction } from "./params.ts";

export const library: ReadonlyMap<string, LibraryFunction> = new Map(
  Object.entries({ ...shapeFunctions, ...mathFunctions, ...makeFunctions }),
);
