/** The options of the library's functions, as programs without types may have them. */
import type { ArtifactsOptions } from "./artifacts.ts";
import type { CheckOptions } from "./check.ts";
import type { CompileOptions } from "./compile.ts";
import { type Diagnostic, diagnostic, GraftError } from "./diag/diagnostic.ts";
import { nearest } from "./diag/suggest.ts";
import type { EditingOptions } from "./editing.ts";
import type { EditsOptions } from "./edits.ts";
import type { TrainOptions } from "./training/options.ts";

interface Kind {
  readonly is: (value: unknown) => boolean;
  readonly words: string;
}

const text: Kind = { is: (value) => typeof value === "string", words: "text" };
const yesOrNo: Kind = { is: (value) => typeof value === "boolean", words: "true or false" };
const call: Kind = { is: (value) => typeof value === "function", words: "a function" };
const texts: Kind = {
  is: (value) => Array.isArray(value) && value.every((each) => typeof each === "string"),
  words: "a list of texts",
};
const record: Kind = {
  is: (value) => typeof value === "object" && !Array.isArray(value),
  words: "an object of values by the names of params",
};
const signal: Kind = { is: (value) => value instanceof AbortSignal, words: "an AbortSignal" };
const quantity: Kind = {
  is: (value) => typeof value === "number" && value >= 0,
  words: "a number, 0 or more",
};

function whole(least: number): Kind {
  return {
    is: (value) => Number.isSafeInteger(value) && (value as number) >= least,
    words: `a whole number, ${least} or more`,
  };
}

function oneOf(...names: readonly string[]): Kind {
  return { is: (value) => names.includes(value as string), words: names.join(", ") };
}

type Kinds<T> = Readonly<Record<keyof T, Kind>>;

const editing: Kinds<EditingOptions & EditsOptions> = {
  model: text,
  edits: texts,
  set: record,
  seed: whole(0),
  weights: texts,
  weightsPartial: yesOrNo,
  analysis: text,
  signal,
};

const compiling: Kinds<CompileOptions> = {
  ...editing,
  out: text,
  external: oneOf("auto", "inline", "file", "share"),
  dryRun: yesOrNo,
  verify: yesOrNo,
  device: text,
  onProgress: call,
};

const training: Kinds<TrainOptions> = {
  ...compiling,
  data: text,
  run: text,
  resume: yesOrNo,
  steps: whole(1),
  batch: whole(1),
  memory: quantity,
  stepsPerCall: whole(1),
  interval: quantity,
};

const artifacts: Kinds<ArtifactsOptions> = { ...editing, out: text };

const { model, edits, set, analysis } = editing;
const checking: Kinds<CheckOptions> = { model, edits, set, analysis, signal };

interface Signature {
  readonly kinds: Readonly<Record<string, Kind>>;
  readonly needs: readonly string[];
}

const signatures = {
  compile: { kinds: compiling, needs: ["model", "edits"] },
  train: { kinds: training, needs: ["model", "edits", "data"] },
  artifacts: { kinds: artifacts, needs: ["model", "edits", "out"] },
  check: { kinds: checking, needs: ["edits"] },
} satisfies Record<string, Signature>;

/**
 * An option that is ignored, or taken for another, would be worse than an error. What is undefined or
 * null counts as left out.
 * @throws GraftError `wrong-usage` for each option that the function has not, that is no such value,
 * or that it cannot do without.
 */
export function checkOptions(caller: keyof typeof signatures, options: unknown): void {
  if (typeof options !== "object" || options === null) {
    throw new GraftError([usage(`\`${caller}\` takes an object of options`)]);
  }
  const { kinds, needs }: Signature = signatures[caller];
  const given = Object.entries(options).filter(
    ([, value]) => value !== undefined && value !== null,
  );
  const wrong = given.flatMap(([name, value]) => {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (!kind) return unknown(caller, name, Object.keys(kinds));
    return kind.is(value) ? [] : usage(`The option \`${name}\` has to be ${kind.words}`);
  });
  const missing = needs.filter((name) => !given.some(([other]) => other === name));
  wrong.push(...missing.map((name) => usage(`\`${caller}\` needs the option \`${name}\``)));
  if (wrong.length > 0) throw new GraftError(wrong);
}

function unknown(caller: string, name: string, names: readonly string[]): Diagnostic {
  const near = nearest(name, names);
  const hint = near === undefined ? `it has ${names.join(", ")}` : `did you mean \`${near}\`?`;
  return usage(`\`${caller}\` has no option \`${name}\``, hint);
}

function usage(what: string, hint: string | null = null): Diagnostic {
  return diagnostic("wrong-usage", { what }, { hint });
}
