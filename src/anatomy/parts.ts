/** The parts of a block: names, boundaries and hosts. */
import { isOp } from "../onnx-ops/schemas.ts";
import type { Block, Order, OtherHost, Part } from "./anatomy.ts";
import { takeAttentionApart } from "./attention.ts";
import type { Branch, Findings } from "./branch.ts";
import { takesSome } from "./chosen.ts";
import type { BlockDraft, StepDraft } from "./drafts.ts";
import type { Op, Wire } from "./flow.ts";
import { takeMlpApart } from "./mlp.ts";
import type { NormMatch } from "./norms.ts";
import { matchNorm } from "./norms.ts";
import { linearOf } from "./path.ts";
import { type Draft, placeOf, sharedPath } from "./placed.ts";
import { base } from "./projections.ts";
import { regionBetween, segmentsOf } from "./region.ts";
import { keepsState } from "./state.ts";

/** A part whose nodes are still to be collected from the operations on its way. */
export interface PartDraft {
  readonly name: string;
  readonly ops: readonly Op[];
  readonly x: Wire;
  readonly context: Wire | null;
  readonly outputs: readonly Wire[];
  readonly joined: { readonly x: Wire; readonly y: Wire } | null;
  readonly keeps: Part["keeps"];
  readonly host: Part["host"];
  /** Of a norm: which branch it belongs to, and on which side of it. */
  readonly role: string | null;
  readonly order: Order;
  readonly contextOrder: Order;
  /** Why it cannot be offered although it is understood. */
  readonly refused: string | null;
}

export interface PartsOfBlock {
  readonly parts: readonly PartDraft[];
  readonly style: Block["style"];
}

export function partsOf(block: BlockDraft, findings: Findings): PartsOfBlock {
  const names = new Names();
  const seen = new Set<Op>();
  const lead = leadNorms(block, names);
  const own = streamParts(block.steps, "", { names, seen, findings, block });
  const second = block.second
    ? streamParts(block.second.steps, "context_", { names, seen, findings, block })
    : { parts: [], pre: 0, post: 0 };
  const extra =
    block.second && block.second.steps.length === 0 ? contextNorms(block, names, findings) : [];
  const pre = own.pre + second.pre;
  const post = own.post + second.post;
  const style = post === 0 ? "pre-norm" : pre === 0 ? "post-norm" : "mixed";
  return { parts: [...lead, ...own.parts, ...second.parts, ...extra], style };
}

class Names {
  readonly #used = new Map<string, number>();

  /** `attn`, then `attn2`. */
  part(name: string): string {
    const count = (this.#used.get(name) ?? 0) + 1;
    this.#used.set(name, count);
    return count === 1 ? name : `${name}${count}`;
  }

  /** `norm1`, `norm2`, ... */
  norm(prefix: string): string {
    const count = (this.#used.get(prefix) ?? 0) + 1;
    this.#used.set(prefix, count);
    return `${prefix}${count}`;
  }
}

interface Context {
  readonly names: Names;
  /** First operations of norms that have a name: one norm may feed several branches. */
  readonly seen: Set<Op>;
  readonly findings: Findings;
  readonly block: BlockDraft;
}

function streamParts(steps: readonly StepDraft[], prefix: "" | "context_", context: Context) {
  const parts: PartDraft[] = [];
  let [pre, post] = [0, 0];
  for (const { step, norms, asMlp } of steps) {
    for (const draft of step.drafts) {
      const { branch } = draft;
      const fresh = branch.norms.filter((norm) => !context.seen.has(norm.ops[0]!));
      for (const norm of fresh) context.seen.add(norm.ops[0]!);
      const after = [
        ...branch.postNorms,
        ...norms.filter((norm) => !context.seen.has(norm.ops[0]!)),
      ];
      for (const norm of after) context.seen.add(norm.ops[0]!);
      pre += branch.norms.length > 0 ? 1 : 0;
      post += norms.length > 0 && branch.norms.length === 0 ? 1 : 0;
      const name = () => context.names.norm(`${prefix}norm`);
      const role = `${prefix}${placeOf(draft)}`;
      const named = fresh.map((norm) => normPart(name(), norm, `${role} before`));
      const behind = after.map((norm) => normPart(name(), norm, `${role} behind`));
      const part = joinsEarlier(draft, prefix) ? [] : [partOf(draft, prefix, asMlp, context)];
      parts.push(...named, ...part, ...behind);
    }
  }
  return { parts, pre, post };
}

/** The second stream's half of a joint part is named with the first. */
function joinsEarlier(draft: Draft, prefix: string): boolean {
  return prefix !== "" && draft.partner !== null;
}

function partOf(draft: Draft, prefix: string, asMlp: boolean, context: Context): PartDraft {
  const { branch, partner } = draft;
  const { second, ...found } = hostOf(draft, asMlp, context);
  const place = asMlp ? "mlp" : placeOf(draft);
  const kind = place === "mlp" ? "mlp" : place === "cross" ? "cross_attn" : "attn";
  const outputs = [branch.y, ...(partner ? [partner.branch.y] : [])];
  const some = takesSome(branch) ? "only some of the tokens go through it" : null;
  return {
    name: context.names.part(`${prefix}${kind}`),
    ops: [
      ...branch.ops,
      ...(partner?.branch.ops ?? []),
      ...readsOf(draft, second, context.findings),
    ],
    x: branch.x,
    context: partner?.branch.x ?? second,
    outputs,
    joined: kind === "mlp" ? sharedPath(draft) : null,
    keeps: keptBy(draft, found.host),
    role: null,
    ...found,
    refused: found.refused ?? some,
  };
}

function keptBy({ branch, core }: Draft, host: Part["host"]): string | null {
  const caches = host.kind === "attention" && host.cache;
  if (!caches && !keepsState(branch)) return null;
  return core ? "keys and values" : "a state";
}

/**
 * What a part makes of its context is on its way too. Queries of a cross-attention descend from the
 * context as well, through the blocks before, and are none of that.
 */
function readsOf(draft: Draft, context: Wire | null, { linears }: Findings): Op[] {
  const { core, sort, partner } = draft;
  if (!core || !context || partner) return [];
  const ends = sort === "cross" ? [core.k, core.v] : [core.q, core.k, core.v];
  return ends.flatMap((wire) => {
    // Reshapes of the context before its projections may serve other blocks too.
    const made = new Set<Op>();
    for (const op of regionBetween(context, wire)?.ops ?? []) {
      const after = op.data.some((input) => input.from && made.has(input.from));
      if (after || linears.byOp.has(op)) made.add(op);
    }
    return [...made];
  });
}

type Found = Pick<PartDraft, "host" | "order" | "contextOrder" | "refused"> & {
  readonly second: Wire | null;
};

/** What of a part is not understood where it has an unknown operator is laid to that. */
function hostOf(draft: Draft, asMlp: boolean, context: Context): Found {
  const found = understood(draft, asMlp, context);
  const { host } = found;
  const unclear = host.kind !== "norm" && host.opaque !== null;
  const unknown = unclear && draft.branch.ops.find(isUnknown);
  if (!unknown) return found;
  const opaque = `\`${unknown.node.op}\` is an unknown operator`;
  return { ...found, host: { ...host, opaque } };
}

function understood(draft: Draft, asMlp: boolean, { findings }: Context): Found {
  const { branch, partner, core, sort } = draft;
  if (core) {
    const found = takeAttentionApart(branch, partner?.branch ?? null, core, findings);
    if (typeof found !== "string") return { ...found, second: found.context };
    const outside = sort === "cross" ? core.v : null;
    const map = outside && findings.linears.byOutput.get(outside);
    return plainly(other(branch, "attention", true, found), map ? base(map.x) : null);
  }
  if (branch.cores.length > 1) {
    return plainly(other(branch, "attention", true, "it holds several attentions"));
  }
  if (sort === "mixer") {
    const what = asMlp || placeOf(draft) === "mlp" ? "feature map" : "token mixer";
    const why = keepsState(branch) ? "it keeps a state of earlier calls" : reasonOf(branch);
    return plainly(other(branch, what, true, why));
  }
  if (placeOf(draft) !== "mlp") {
    return plainly(other(branch, "feature map", false, "its tokens do not meet"));
  }
  const mlp = takeMlpApart(branch, findings, draft.joined ?? branch.x);
  return plainly(typeof mlp === "string" ? other(branch, "feature map", false, mlp) : mlp);
}

function plainly(host: Part["host"], second: Wire | null = null): Found {
  return { host, second, ...ordinary };
}

/** Of a part that is no attention. */
const ordinary = { order: "B,N,D", contextOrder: "B,N,D", refused: null } as const;

/** Why a branch that may mix tokens is not taken apart. */
function reasonOf({ ops }: Branch): string {
  const types = new Set(ops.map((op) => op.type));
  if (types.has("TopK") || types.has("ArgMax")) return "a mixture of experts";
  if (types.has("Conv")) return "it is convolutional";
  if (types.has("Softmax")) return "its softmax is not that of an attention";
  return "no attention is seen in it, nor that its tokens stay apart";
}

/** Of no domain whose operators graftc reads. */
function isUnknown({ type, node }: Op): boolean {
  if (node.domain === "com.microsoft") return false;
  return node.domain !== "" || !isOp(type);
}

function other(branch: Branch, what: string, mixesTokens: boolean, opaque: string): OtherHost {
  const linears = branch.linears.map((map) => linearOf(map, null));
  return { kind: "other", what, mixesTokens, linears, opaque };
}

function normPart(name: string, norm: NormMatch, role: string | null = null): PartDraft {
  return {
    name,
    ops: norm.ops,
    x: norm.from,
    context: null,
    outputs: [norm.to],
    joined: null,
    keeps: null,
    host: norm.host,
    role,
    ...ordinary,
  };
}

/** Norms before the first step: of a long skip, or of a step that is gone. */
function leadNorms({ lead }: BlockDraft, names: Names): PartDraft[] {
  return (lead?.norms ?? []).map((norm) =>
    normPart(lead!.kind === "norm" ? names.norm("norm") : names.part("skip_norm"), norm),
  );
}

/** Norms of a second stream that ends in this block: between its end and what the attention reads. */
function contextNorms(block: BlockDraft, names: Names, findings: Findings): PartDraft[] {
  const end = block.second!.input;
  for (const { step } of block.steps) {
    for (const { core, sort } of step.drafts) {
      const region = core && sort === "attn" ? regionBetween(end, core.k) : null;
      if (!region) continue;
      const norm = matchNorm(segmentsOf(region), 0, findings.constants);
      return norm ? [normPart(names.norm("context_norm"), norm)] : [];
    }
  }
  return [];
}

/**
 * Norms of one place have one name in all blocks of a stack: where a block lacks a norm that most
 * have, those behind it are not counted down.
 */
export function alignNorms(blocks: readonly PartsOfBlock[]): PartsOfBlock[] {
  const usual = usualNames(blocks);
  return blocks.map((block) => {
    const parts = block.parts.map((part) => {
      const name = part.role && usual.get(part.role);
      return name ? { ...part, name } : part;
    });
    const distinct = new Set(parts.map(({ name }) => name)).size === parts.length;
    return distinct ? { ...block, parts } : block;
  });
}

function usualNames(blocks: readonly PartsOfBlock[]): Map<string, string> {
  const counts = new Map<string, Map<string, number>>();
  for (const { role, name } of blocks.flatMap((block) => block.parts)) {
    if (!role) continue;
    const names = counts.get(role) ?? new Map<string, number>();
    counts.set(role, names.set(name, (names.get(name) ?? 0) + 1));
  }
  const sorted = (names: Map<string, number>) => [...names].sort((a, b) => b[1] - a[1]);
  return new Map([...counts].map(([role, names]) => [role, sorted(names)[0]![0]]));
}
