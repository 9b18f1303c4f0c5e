/** `replace SEL with OP`: an operator grows beside the part and takes its place. */
import type { AttentionHost, Part } from "../src/anatomy/anatomy.ts";
import { scopeAt } from "../src/anatomy/naming.ts";
import { fail } from "../src/diag/diagnostic.ts";
import type { Dim } from "../src/ir/types.ts";
import { placeOperator } from "../src/lower/index.ts";
import type { PlannedEdit, Site } from "../src/plan/plan.ts";
import { innerReader } from "./graph/leaks.ts";
import { blockNow, commit, partNow, patchFor, type Session } from "./session.ts";

type Replace = Extract<PlannedEdit, { verb: "replace" }>;

/**
 * @returns whether the function certainly stays the same: an operator in the place of its equal.
 * @throws GraftError where the operator does not fit the place.
 */
export async function applyGraft(edit: Replace, site: Site, session: Session): Promise<boolean> {
  const { model, oracle, seed, reporter } = session;
  const { operator, scope, args, inherit } = edit;
  const asked = edit.statement.operator.span;
  const part = site.part && partNow(session, site.part);
  const block = blockNow(session, site.block);
  if (!part) {
    const reader = innerReader(session, site.block);
    const reason = `${reader} reads a value from inside of it`;
    if (reader) throw fail("cannot-replace", { label: site.label, reason }, { at: asked });
  }
  const warnings = reporter.diagnostics.length;
  const patch = patchFor(session, edit, site, scopeAt(site));
  const placed = await placeOperator({
    model,
    patch,
    site: { ...site, part, block },
    operator,
    scope,
    args,
    inherit,
    seed,
    oracle,
    reporter,
    asked,
  });
  const outputs = part?.outputs ?? [block.output, block.context?.output].filter((v) => v != null);
  const grown = new Set(patch.nodes.flatMap((node) => node.outputs));
  outputs.forEach((output, i) => {
    const end = placed.outputs[i]!;
    // An operator that hands its input on leaves a node all the same, which tells where it stands.
    const own = grown.has(end) ? end : patch.one("Identity", [end], { types: [end.type] });
    patch.shunt(output, own);
  });
  const layouts = placed.weights.flatMap(({ name, layout }) =>
    layout ? [[name, layout] as const] : [],
  );
  commit(session, patch, site, new Map(layouts));
  return (
    part !== null &&
    (isSameAttention(edit, part, site.stack.tokens) || isSameMlp(edit, part)) &&
    reporter.diagnostics.length === warnings &&
    placed.weights.every(({ source }) => source !== "fresh")
  );
}

/**
 * What the built-in `mha` computes with inherited weights, unless it is given other heads; and `swa`
 * where its window leaves no token out.
 */
function isSameAttention({ operator, args }: Replace, { host }: Part, tokens: Dim): boolean {
  if (host.kind !== "attention" || host.joint || host.opaque || host.cache) return false;
  if ((args.get("heads") ?? host.heads) !== host.heads) return false;
  const name = operator.name.name;
  return name === "mha" || (name === "swa" && seesAll(args, host, tokens));
}

function seesAll(args: Replace["args"], host: AttentionHost, tokens: Dim): boolean {
  const window = args.get("window") ?? 4;
  const right = args.get("right") ?? window;
  const causal = args.get("causal") ?? (right === window && host.causal);
  const looksBack = causal === true || right === 0;
  const reach = looksBack ? Number(window) : Math.min(Number(window), Number(right));
  return looksBack === host.causal && typeof tokens === "number" && reach >= tokens - 1;
}

/** The built-in `mlp` and `swiglu` in the place of an MLP that has their form and size. */
function isSameMlp({ operator, args }: Replace, { host }: Part): boolean {
  if (host.kind !== "mlp" || host.opaque) return false;
  const own = mlpForms[operator.name.name];
  const ratio = Number(args.get("ratio") ?? own?.ratio);
  const alike = own?.activation === host.activation && own.gated === (host.gate !== null);
  return alike && host.hidden === Math.round(ratio * host.fc1.in);
}

const mlpForms: Readonly<Record<string, { ratio: number; activation: string; gated: boolean }>> = {
  mlp: { ratio: 4, activation: "gelu_tanh", gated: false },
  swiglu: { ratio: 8 / 3, activation: "silu", gated: true },
};
