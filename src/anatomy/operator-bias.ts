/** The bias that a fused attention adds itself, behind whatever comes between it and projections. */
import type { Linear } from "./anatomy.ts";
import type { Constants } from "./constants.ts";
import type { Core } from "./cores.ts";
import type { Side } from "./projections.ts";
import { vectorOf } from "./weights.ts";

export type Linears = Readonly<Record<"q" | "k" | "v", Linear>>;

export const unknownBias = "the bias of its operator is no constant";

/** The maps with the biases that MultiHeadAttention adds, from one vector; a string: why not. */
export function withOperatorBias(
  core: Core,
  side: Side,
  linears: Linears,
  constants: Constants,
): Linears | string {
  const wire = core.form === "MultiHeadAttention" ? core.op.inputs[3] : null;
  if (!wire) return linears;
  const bias = vectorOf(wire, null, constants);
  if (!bias) return unknownBias;
  const { q, k, v } = linears;
  const plain = [side.q, side.k, side.v].every(
    ({ path: { map, rotation, scale } }) => !map.bias && !map.biasInput && !rotation && scale === 1,
  );
  if (!plain) return "its operator adds a bias behind another, a factor or a rotation";
  const at = [0, q.out, q.out + k.out, q.out + k.out + v.out] as const;
  const given = (linear: Linear, i: 0 | 1 | 2): Linear => ({
    ...linear,
    bias: bias.value,
    biasRows: [at[i], at[i + 1]!],
  });
  return { q: given(q, 0), k: given(k, 1), v: given(v, 2) };
}
