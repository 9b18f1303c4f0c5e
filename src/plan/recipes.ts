/** `distill { ... }` and `finetune { ... }`: keys, types and ranges, one row a key. */
import type * as ast from "../../grammar/ast.ts";
import { fail, type Related, type Reporter } from "../diag/diagnostic.ts";
import type { Step } from "./load.ts";
import type { PlannedRecipe, RecipeValue } from "./plan.ts";
import {
  type Check,
  choice,
  count,
  either,
  inputNames,
  lowRank,
  number,
  shareOrCount,
  weightedSum,
} from "./recipe-values.ts";
import { didYouMean, listNames } from "./suggestions.ts";

const loss = choice({
  l1: {},
  l2: {},
  huber: { delta: { above: 0 } },
  cosine: {},
});

const moments = {
  beta1: { normal: 0.9, from: 0, below: 1 },
  beta2: { normal: 0.999, from: 0, below: 1 },
  eps: { normal: 1e-8, above: 0 },
  weight_decay: { normal: 0, from: 0 },
} as const;

const common: Readonly<Record<string, Check>> = {
  steps: count({ from: 1 }),
  epochs: number({ above: 0 }),
  batch: count({ from: 1 }),
  accumulate: count({ from: 1 }),
  samples: shareOrCount,
  optimizer: choice({
    adamw: moments,
    adam: moments,
    sgd: {
      momentum: { normal: 0.9, from: 0, below: 1 },
      nesterov: { normal: false },
      weight_decay: { normal: 0, from: 0 },
    },
  }),
  lr: number({ above: 0 }),
  warmup: count({ from: 0 }),
  schedule: choice({
    constant: {},
    cosine: { to: { normal: 0, from: 0, to: 1 } },
    step: { every: { from: 1, whole: true }, by: { above: 0 } },
  }),
  clip: number({ above: 0 }),
  ema: either(number({ from: 0, below: 1 }), choice({ warmup: { to: { from: 0, below: 1 } } })),
  lora: lowRank,
  alpha: number({ above: 0 }),
  noise: choice({
    linear: {
      from: { normal: 1e-4, above: 0, below: 1 },
      to: { normal: 2e-2, above: 0, below: 1 },
      steps: { normal: 1000, from: 1, whole: true },
    },
    cosine: { steps: { normal: 1000, from: 1, whole: true } },
  }),
  inputs: inputNames(["sample", "time", "condition"]),
  label_drop: number({ from: 0, to: 1 }),
  null_label: count({ from: 0 }),
};

const keysOf: Readonly<Record<ast.Recipe["stage"], Readonly<Record<string, Check>>>> = {
  distill: { attn: loss, mlp: loss, block: loss, ...common },
  finetune: {
    objective: weightedSum(["diffusion", "output", "flow", "features", "labels"]),
    ...common,
  },
};

/** What other trainers call keys of their own, and how it is said here. */
const elsewhere: ReadonlyMap<string, string> = new Map([
  ["rank", "adapters of rank 8 are `lora: 8, alpha: 16`"],
  ["learning_rate", "it is called `lr`"],
  ["batch_size", "it is called `batch`"],
  ["weight_decay", "it belongs to the optimizer: `optimizer: adamw(weight_decay: 0.01)`"],
  ["momentum", "it belongs to the optimizer: `optimizer: sgd(momentum: 0.9)`"],
]);

/** Settings of which a recipe says one or none. */
const rivals: readonly (readonly [string, string])[] = [["steps", "epochs"]];

/** The selections of `train` need the model, and are the caller's. */
export type PlanTrain = (train: ast.TrainSelection, step: Step<ast.Recipe>) => RecipeValue;

/** Checks every entry; each mistake is reported where it stands. */
export function planRecipe(
  step: Step<ast.Recipe>,
  planTrain: PlanTrain,
  reporter: Reporter,
): PlannedRecipe {
  const { statement, scope } = step;
  const { stage, record } = statement;
  const checks = keysOf[stage];
  const settings = new Map<string, RecipeValue>();
  const first = new Map<string, ast.Ident>();
  for (const { key, value } of record.entries) {
    reporter.attempt(() => {
      first.set(key.name, key);
      const check = Object.hasOwn(checks, key.name) ? checks[key.name] : undefined;
      if (value.kind === "train") settings.set(key.name, planTrain(value, step));
      else if (check) settings.set(key.name, check(value, key.name, { values: scope.params }));
      else throw unknownSetting(stage, key);
    });
  }
  for (const [one, other] of rivals) {
    const key = first.get(other);
    if (!key || !first.has(one)) continue;
    const related = [said(first.get(one)!)];
    reporter.report("rival-keys", { one, other }, { at: key.span, related });
  }
  const alpha = first.get("alpha");
  if (alpha && !first.has("lora")) {
    reporter.report("alpha-without-lora", {}, { at: alpha.span, hint: "add `lora: 16`" });
  }
  return { stage, statement, settings };
}

function said(key: ast.Ident): Related {
  return { at: key.span, text: "said here" };
}

function unknownSetting(stage: ast.Recipe["stage"], key: ast.Ident) {
  const other = stage === "distill" ? "finetune" : "distill";
  const known = [...Object.keys(keysOf[stage]), "train"];
  const hint = Object.hasOwn(keysOf[other], key.name)
    ? `it belongs in \`${other}\``
    : (elsewhere.get(key.name) ?? didYouMean(key.name, known));
  return fail(
    "unknown-key",
    { statement: stage, key: key.name },
    {
      at: key.span,
      hint,
      notes: [`keys are ${listNames(known)}`],
    },
  );
}
