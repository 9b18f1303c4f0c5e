/** Keys and values that outlive a call. */
import type { Value } from "../ir/graph.ts";
import type { AttentionHost } from "./anatomy.ts";
import type { Core } from "./cores.ts";
import type { Side } from "./projections.ts";
import { after, before } from "./state.ts";

/** Where a fused operator takes keys of earlier calls; values come next. */
function pastInput({ form }: Core): number | null {
  if (form === "MultiHeadAttention") return 6;
  if (form === "GroupQueryAttention") return 3;
  return form === "Attention" ? 4 : null;
}

/** What is stored in the model is of no earlier call. */
function pastOf({ op }: Core, index: number): Value | null {
  const wire = op.inputs[index];
  return wire && !wire.constant ? wire.value : null;
}

/** An operator may have outputs that nobody reads. */
function presentOf({ op }: Core, index: number): Value | null {
  const value = op.outputs[index]?.value;
  const read = value && (value.uses.size > 0 || op.place.graph?.outputs.includes(value));
  return read ? value : null;
}

/** One tensor of keys and values, as com.microsoft.Attention keeps them. */
export function packedCacheOf(core: Core): AttentionHost["cache"] {
  const past = pastOf(core, 4);
  const present = presentOf(core, 1);
  if (!past && !present) return null;
  return { past: past ? [past, past] : null, present: present ? [present, present] : null };
}

/** Keys and values of earlier calls, and those handed on, as inputs and outputs of the graph. */
export function cacheOf(core: Core, { k, v }: Side): AttentionHost["cache"] {
  const { graph } = core.op.place;
  const joined = [k, v].map(({ path }) => {
    const past = path.joined?.inputs
      .map((wire) => wire && before(wire))
      .find((wire) => wire?.value && graph?.inputs.includes(wire.value));
    const ends = [path.joined?.outputs[0], path.rotation?.to, path.map.y];
    const present = ends
      .flatMap((wire) => (wire ? [...after(wire)] : []))
      .find((wire) => wire.value && graph?.outputs.includes(wire.value));
    return { past: past?.value ?? null, present: present?.value ?? null };
  });
  const place = pastInput(core);
  const at = (i: number) => ({
    past: (place === null ? null : pastOf(core, place + i)) ?? joined[i]!.past,
    present: (place === null ? null : presentOf(core, 1 + i)) ?? joined[i]!.present,
  });
  const [key, value] = [at(0), at(1)];
  const past = key.past && value.past ? ([key.past, value.past] as const) : null;
  const present = key.present && value.present ? ([key.present, value.present] as const) : null;
  return past || present ? { past, present } : null;
}
