/** One line on a part, in the words of the field. */
import type { PartView } from "./inspection.ts";

export function describePart(part: PartView): string {
  const words = [part.kind, ...detailsOf(part)];
  const { opaque } = part;
  return typeof opaque === "string" ? `${words.join(", ")} (${opaque})` : words.join(", ");
}

function detailsOf(part: PartView): string[] {
  if ("head_dim" in part) return attentionWords(part);
  if ("hidden" in part) return mlpWords(part);
  if (typeof part.epsilon === "number") return [`eps ${trimmed(part.epsilon)}`];
  return [];
}

function attentionWords(part: PartView): string[] {
  const { heads, kv_heads: kvHeads, head_dim: headDim } = part;
  return [
    `${heads} ${heads === 1 ? "head" : "heads"} of ${headDim}`,
    ...(kvHeads === heads ? [] : [`${kvHeads} of keys and values`]),
    ...(part.fused ? ["fused qkv"] : []),
    ...(part.joint ? ["joint with the second stream"] : []),
    ...(part.causal ? ["causal"] : part.masked ? ["masked"] : []),
    ...(part.rotated ? ["q and k normed or rotated"] : []),
    ...(part.cached ? ["key/value cache"] : []),
    ...(part.form === "decomposed" ? [] : [`one ${part.form} node`]),
    String(part.weights),
  ];
}

function mlpWords(part: PartView): string[] {
  const gate = part.gated ? (part.fused ? "gated, gate and up fused" : "gated") : null;
  return [
    `${part.activation}`,
    ...(gate ? [gate] : []),
    `${part.hidden} hidden`,
    String(part.weights),
  ];
}

/** float32 stores 1e-6 as 9.999999974752427e-7. */
function trimmed(x: number): string {
  return String(Number(x.toPrecision(4)));
}
