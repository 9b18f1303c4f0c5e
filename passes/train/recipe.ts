/** A recipe block with everything that it did not say filled in. */
import { fail } from "../../src/diag/diagnostic.ts";
import type { Span } from "../../src/diag/span.ts";
import type { PlannedRecipe, RecipeValue } from "../../src/plan/plan.ts";

export type Loss =
  | { readonly kind: "l1" | "l2" | "cosine" }
  | { readonly kind: "huber"; readonly delta: number };

export interface Adam {
  readonly kind: "adamw" | "adam";
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
}

export interface Sgd {
  readonly kind: "sgd";
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
}

export type OptimizerSpec = Adam | Sgd;

export type Schedule =
  | { readonly kind: "constant" }
  | { readonly kind: "cosine"; readonly to: number }
  | { readonly kind: "step"; readonly every: number; readonly by: number };

/** The forward process of diffusion. */
export type NoiseSpec =
  | { readonly kind: "linear"; readonly from: number; readonly to: number; readonly steps: number }
  | { readonly kind: "cosine"; readonly steps: number };

export type ObjectiveName = "diffusion" | "output" | "flow" | "features" | "labels";

export type Train = Extract<RecipeValue, { kind: "train" }>;

export interface Recipe {
  readonly stage: "distill" | "finetune";
  readonly span: Span;
  /** Of distill: by the kind of a site. */
  readonly losses: Readonly<Record<"attn" | "mlp" | "block", Loss>>;
  /** Of finetune; null: what fits the model. */
  readonly objective: readonly { readonly weight: number; readonly name: ObjectiveName }[] | null;
  readonly train: Train;
  readonly length: { readonly steps: number } | { readonly epochs: number };
  readonly batch: number;
  readonly accumulate: number;
  /** A share of the data, or how many samples; null: all. */
  readonly samples: { readonly share: number } | { readonly count: number } | null;
  readonly optimizer: OptimizerSpec;
  readonly lr: number;
  readonly warmup: number;
  readonly schedule: Schedule;
  /** Largest norm of the gradient; of each site by itself in distill. */
  readonly clip: number;
  /** Decay of the averaged weights, which are then the result. */
  readonly ema: number | null;
  /** Whether that decay is approached from below, so that the average forgets how it began. */
  readonly emaWarmup: boolean;
  readonly lora: { readonly rank: number; readonly alpha: number } | null;
  /** null: what fits the model. */
  readonly noise: NoiseSpec | null;
  /** Names of inputs that the recipe says outright. */
  readonly inputs: ReadonlyMap<string, string>;
  readonly labelDrop: number;
  readonly nullLabel: number | null;
}

/** The paper's stages (arXiv 2506.05340, section 4), where the recipe is silent. */
const lengths = { distill: { epochs: 200 }, finetune: { steps: 50_000 } } as const;
const batches = { distill: 64, finetune: 256 } as const;
const bases = { distill: "new", finetune: "all" } as const;

export function recipeOf({ stage, statement, settings }: PlannedRecipe): Recipe {
  const choiceOf = (key: string) => setting(settings, key, "choice");
  const numberOf = (key: string) => setting(settings, key, "number")?.value;
  const [steps, epochs] = [numberOf("steps"), numberOf("epochs")];
  const train = setting(settings, "train", "train");
  const warming = choiceOf("ema");
  const averaging = warming && number(warming, "to");
  return {
    stage,
    span: statement.span,
    losses: {
      attn: lossOf(choiceOf("attn"), "l1"),
      mlp: lossOf(choiceOf("mlp"), "l2"),
      block: lossOf(choiceOf("block"), "l1"),
    },
    objective: (setting(settings, "objective", "sum")?.terms as Recipe["objective"]) ?? null,
    train: train ?? { kind: "train", base: bases[stage], sites: [], names: [] },
    length: steps !== undefined ? { steps } : epochs !== undefined ? { epochs } : lengths[stage],
    batch: numberOf("batch") ?? batches[stage],
    accumulate: numberOf("accumulate") ?? 1,
    samples: samplesOf(settings),
    optimizer: optimizerOf(choiceOf("optimizer")),
    lr: numberOf("lr") ?? 1e-4,
    warmup: numberOf("warmup") ?? 0,
    schedule: scheduleOf(choiceOf("schedule")),
    clip: numberOf("clip") ?? 10,
    ema: numberOf("ema") ?? averaging ?? null,
    emaWarmup: averaging !== undefined,
    lora: loraOf(settings),
    noise: noiseOf(choiceOf("noise")),
    inputs: setting(settings, "inputs", "inputs")?.inputs ?? new Map(),
    labelDrop: numberOf("label_drop") ?? 0,
    nullLabel: numberOf("null_label") ?? null,
  };
}

type Kind = RecipeValue["kind"];
type Choice = Extract<RecipeValue, { kind: "choice" }>;

function setting<K extends Kind>(
  settings: PlannedRecipe["settings"],
  key: string,
  kind: K,
): Extract<RecipeValue, { kind: K }> | undefined {
  const value = settings.get(key);
  return value?.kind === kind ? (value as Extract<RecipeValue, { kind: K }>) : undefined;
}

const number = ({ args }: Choice, name: string) => Number(args.get(name));

function lossOf(choice: Choice | undefined, normal: "l1" | "l2"): Loss {
  if (!choice) return { kind: normal };
  if (choice.name === "huber") return { kind: "huber", delta: number(choice, "delta") };
  return { kind: choice.name as "l1" | "l2" | "cosine" };
}

function optimizerOf(choice: Choice | undefined): OptimizerSpec {
  if (!choice) return { kind: "adamw", beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 };
  const weightDecay = number(choice, "weight_decay");
  if (choice.name === "sgd") {
    const nesterov = choice.args.get("nesterov") === true;
    return { kind: "sgd", momentum: number(choice, "momentum"), nesterov, weightDecay };
  }
  return {
    kind: choice.name as "adamw" | "adam",
    beta1: number(choice, "beta1"),
    beta2: number(choice, "beta2"),
    eps: number(choice, "eps"),
    weightDecay,
  };
}

function scheduleOf(choice: Choice | undefined): Schedule {
  switch (choice?.name) {
    case "cosine":
      return { kind: "cosine", to: number(choice, "to") };
    case "step":
      return { kind: "step", every: number(choice, "every"), by: number(choice, "by") };
    default:
      return { kind: "constant" };
  }
}

function noiseOf(choice: Choice | undefined): NoiseSpec | null {
  if (!choice) return null;
  const steps = number(choice, "steps");
  if (choice.name === "cosine") return { kind: "cosine", steps };
  return { kind: "linear", from: number(choice, "from"), to: number(choice, "to"), steps };
}

function samplesOf(settings: PlannedRecipe["settings"]): Recipe["samples"] {
  const value = settings.get("samples");
  if (value?.kind === "share") return { share: value.value };
  return value?.kind === "number" ? { count: value.value } : null;
}

/** `alpha` is the rank unless it is said, so that the update has scale 1. */
function loraOf(settings: PlannedRecipe["settings"]): Recipe["lora"] {
  const value = settings.get("lora");
  if (!value) return null;
  const alpha = setting(settings, "alpha", "number")?.value;
  if (value.kind === "number") return { rank: value.value, alpha: alpha ?? value.value };
  if (value.kind !== "choice") throw fail("wrong-usage", { what: "`lora` is a rank" });
  return { rank: number(value, "rank"), alpha: alpha ?? number(value, "alpha") };
}
