/** `replace SEL with OP`: an operator grows beside the part and takes its place. */
import type { AttentionHost, MlpHost, Part } from "../src/anatomy/anatomy.ts";
import { scopeAt } from "../src/anatomy/naming.ts";
import { fail } from "../src/diag/diagnostic.ts";
import type { Dim } from "../src/ir/types.ts";
import { type PlacedOperator, placeOperator } from "../src/lower/index.ts";
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
    isSame(operator.name.name, placed.params, part.host, site.stack.tokens) &&
    reporter.diagnostics.length === warnings &&
    placed.weights.every(({ source }) => source !== "fresh")
  );
}

type Params = PlacedOperator["params"];

/**
 * What the built-in operators compute with inherited weights: `mha` unless it is given other heads, `swa`
 * where its window leaves no token out, `mlp` and `swiglu` where the host has their form and size.
 */
function isSame(name: string, params: Params, host: Part["host"], tokens: Dim): boolean {
  if (host.kind === "mlp") return isSameMlp(name, params, host);
  if (host.kind !== "attention" || host.joint || host.opaque || host.cache) return false;
  if (params.get("heads") !== host.heads) return false;
  return name === "mha" || (name === "swa" && seesAll(params, host, tokens));
}

function seesAll(params: Params, host: AttentionHost, tokens: Dim): boolean {
  const [window, right] = [Number(params.get("window")), Number(params.get("right"))];
  const looksBack = params.get("causal") === true || right === 0;
  const reach = looksBack ? window : Math.min(window, right);
  return looksBack === host.causal && typeof tokens === "number" && reach >= tokens - 1;
}

const mlpForms: Readonly<Record<string, { activation: string; gated: boolean }>> = {
  mlp: { activation: "gelu_tanh", gated: false },
  swiglu: { activation: "silu", gated: true },
};

function isSameMlp(name: string, params: Params, host: MlpHost): boolean {
  const own = mlpForms[name];
  const alike = own?.activation === host.activation && own.gated === (host.gate !== null);
  const hidden = Math.round(Number(params.get("ratio")) * host.fc1.in);
  return alike && host.opaque === null && host.hidden === hidden;
}
