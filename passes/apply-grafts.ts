/** `replace SEL with OP`: an operator grows beside the part and takes its place. */
import type { Part } from "../src/anatomy/anatomy.ts";
import { scopeAt } from "../src/anatomy/naming.ts";
import { fail } from "../src/diag/diagnostic.ts";
import { placeOperator } from "../src/lower/index.ts";
import type { PlannedEdit, Site } from "../src/plan/plan.ts";
import { innerReader } from "./graph/leaks.ts";
import { blockNow, commit, partNow, patchFor, type Session } from "./session.ts";

type Replace = Extract<PlannedEdit, { verb: "replace" }>;

/**
 * @returns whether the function certainly stays the same: attention in the place of attention.
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
    operator.name.name === "mha" &&
    args.size === 0 &&
    isPlainAttention(part?.host) &&
    reporter.diagnostics.length === warnings &&
    placed.weights.every(({ source }) => source !== "fresh")
  );
}

/** What the built-in `mha` computes with inherited weights, unless it is given other heads. */
function isPlainAttention(host: Part["host"] | undefined): boolean {
  return host?.kind === "attention" && !host.joint && !host.opaque && !host.cache;
}
