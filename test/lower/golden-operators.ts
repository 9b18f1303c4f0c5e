/** By golden: the built-in operator and what it is called with. */
export const operators: Readonly<
  Record<string, readonly [name: string, args: Record<string, number | string>]>
> = {
  hyena_se: ["hyena_se", {}],
  hyena_x: ["hyena_x", {}],
  hyena_y: ["hyena_y", {}],
  swa_w1: ["swa", { window: 1 }],
  swa_w3_1: ["swa", { window: 3, right: 1 }],
  swa_w4: ["swa", {}],
  swa_wide: ["swa", { window: 64 }],
  mamba2: ["mamba2", { d_state: 8, headdim: 4 }],
  mha: ["mha", {}],
  linear_attention: ["linear_attention", {}],
  mlp_r3: ["mlp", { ratio: 3 }],
  mlp_r4: ["mlp", {}],
  mlp_r6: ["mlp", { ratio: 6 }],
  swiglu: ["swiglu", {}],
  mlp_hyena_x_features: ["mlp_hyena_x", {}],
  mlp_hyena_x_tokens: ["mlp_hyena_x", { along: "tokens" }],
};

/** Operators whose weights are tied to N, which then cannot be symbolic. */
export const tied = new Set(["mlp_hyena_x_features"]);
