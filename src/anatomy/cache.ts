/** Keys and values that outlive a call. */
import type { AttentionHost } from "./anatomy.ts";
import type { Core } from "./cores.ts";
import type { Wire } from "./flow.ts";
import type { Side } from "./projections.ts";

/** Back over copies: an exporter joins a cache to nothing first. */
function unchanged(wire: Wire): Wire {
  const { from } = wire;
  const copies = from?.type === "Identity" || (from?.type === "Concat" && from.inputs.length === 1);
  return copies && from.inputs[0] ? unchanged(from.inputs[0]) : wire;
}

/** Keys and values of earlier calls, and those handed on, as inputs and outputs of the graph. */
export function cacheOf(core: Core, { k, v }: Side): AttentionHost["cache"] {
  const { graph } = core.op.place;
  const joined = [k, v].map(({ path }) => {
    const past = path.joined?.inputs
      .map((wire) => wire && unchanged(wire))
      .find((wire) => wire?.value && graph?.inputs.includes(wire.value));
    const ends = [path.joined?.outputs[0], path.rotation?.to, path.map.y];
    const present = ends.find((wire) => wire?.value && graph?.outputs.includes(wire.value));
    return { past: past?.value ?? null, present: present?.value ?? null };
  });
  const fused = core.form === "GroupQueryAttention" || core.form === "MultiHeadAttention";
  const offset = core.form === "GroupQueryAttention" ? 3 : 6;
  const at = (i: number) => ({
    past: fused ? (core.op.inputs[offset + i]?.value ?? null) : joined[i]!.past,
    present: fused ? (core.op.outputs[1 + i]?.value ?? null) : joined[i]!.present,
  });
  const [key, value] = [at(0), at(1)];
  const past = key.past && value.past ? ([key.past, value.past] as const) : null;
  const present = key.present && value.present ? ([key.present, value.present] as const) : null;
  return past || present ? { past, present } : null;
}
