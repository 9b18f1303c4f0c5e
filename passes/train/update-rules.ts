/** What one step of an optimizer does to every element: PyTorch's arithmetic, in its order of terms. */
import type { Grower } from "../../src/onnx-ops/grower.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";
import type { Adam, OptimizerSpec, Sgd } from "./recipe.ts";

/** Numbers of one step, float32 []. */
export type Scalars = Readonly<Record<string, Wire>>;

export interface StepInputs {
  readonly grower: Grower;
  /** float32 [] */
  readonly rate: Wire;
  /** float64 [] */
  readonly step: Wire;
}

export interface Cells {
  readonly parameter: Wire;
  /** Clipped already. */
  readonly gradient: Wire;
  readonly states: readonly Wire[];
}

export interface UpdateRule {
  /** As PyTorch calls them; all of them start at zero. */
  readonly states: readonly string[];
  /** What all elements share. Powers near 1 lose their digits in float32, so this is float64. */
  scalars(inputs: StepInputs): Scalars;
  /** The parameter and its states afterwards. */
  update(cells: Cells, scalars: Scalars): Omit<Cells, "gradient">;
}

export function updateRuleOf(spec: OptimizerSpec): UpdateRule {
  return spec.kind === "sgd" ? sgd(spec) : adam(spec);
}

/** Weight decay shrinks the parameter (adamw) or joins the gradient (adam). */
function adam({ kind, beta1, beta2, eps, weightDecay }: Adam): UpdateRule {
  const decays = kind === "adam" && weightDecay !== 0;
  const decoupled = kind === "adamw" && weightDecay !== 0;
  return {
    states: ["exp_avg", "exp_avg_sq"],
    scalars: ({ grower, rate: given, step }) => {
      const rate = given.cast("float64");
      const correction = (beta: number) => grower.scalar("float64", beta).pow(step).from(1);
      const root = correction(beta2).sqrt();
      return {
        size: rate.mul(root).div(correction(beta1)).cast("float32"),
        eps: root.mul(eps).cast("float32"),
        ...(decoupled && { keep: rate.mul(weightDecay).from(1).cast("float32") }),
      };
    },
    update: ({ parameter, gradient, states: [mean, square] }, { size, eps, keep }) => {
      const g = decays ? gradient.add(parameter.mul(weightDecay)) : gradient;
      const m = mean!.mul(beta1).add(g.mul(1 - beta1));
      const v = square!.mul(beta2).add(g.square().mul(1 - beta2));
      const shrunk = keep ? parameter.mul(keep) : parameter;
      return { parameter: shrunk.sub(m.div(v.sqrt().add(eps!)).mul(size!)), states: [m, v] };
    },
  };
}

/** The buffer starts at zero, so that after the first step it is the gradient. */
function sgd({ momentum, nesterov, weightDecay }: Sgd): UpdateRule {
  return {
    states: momentum === 0 ? [] : ["momentum_buffer"],
    scalars: ({ rate }) => ({ rate }),
    update: ({ parameter, gradient, states: [buffer] }, { rate }) => {
      const g = weightDecay === 0 ? gradient : gradient.add(parameter.mul(weightDecay));
      const next = buffer?.mul(momentum).add(g);
      const direction = next && nesterov ? g.add(next.mul(momentum)) : (next ?? g);
      return { parameter: parameter.sub(direction.mul(rate!)), states: next ? [next] : [] };
    },
  };
}
