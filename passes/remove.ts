/** `remove SEL`: a block or a branch leaves, and the residual stream passes through. */
import type { Part } from "../src/anatomy/anatomy.ts";
import { scopeAt } from "../src/anatomy/naming.ts";
import { fail } from "../src/diag/diagnostic.ts";
import { isUnread, type Value } from "../src/ir/graph.ts";
import type { Patch } from "../src/onnx-ops/patch.ts";
import { comesApart } from "../src/onnx-ops/skip-norms.ts";
import type { PlannedEdit, Site } from "../src/plan/plan.ts";
import { sameType } from "./graph/casts.ts";
import { innerReader } from "./graph/leaks.ts";
import { type Junction, junctionOf } from "./graph/residual.ts";
import { sameShape } from "./graph/shapes.ts";
import { commit, nodesOf, now, partNow, patchFor, type Session } from "./session.ts";

type Remove = Extract<PlannedEdit, { verb: "remove" }>;

/**
 * A removed branch takes its norm before it along, when nothing else reads that; a norm behind the
 * residual add (post-norm) is a part of its own and stays.
 * @throws GraftError `cannot-remove` where the stream has no way past it.
 */
export function remove(edit: Remove, site: Site, session: Session): void {
  const patch = patchFor(session, edit, site, scopeAt(site));
  const refuse = (reason: string) =>
    fail("cannot-remove", { label: site.label, reason }, { at: edit.statement.target.span });
  if (!site.part) removeBlock(site, patch, session, refuse);
  else if (site.part.host.kind === "norm") removeNorm(partNow(session, site.part), patch, refuse);
  else removeBranch(site, partNow(session, site.part), patch, session, refuse);
  commit(session, patch, site);
}

type Refuse = (reason: string) => Error;

function removeBlock({ block }: Site, patch: Patch, session: Session, refuse: Refuse): void {
  const reader = innerReader(session, block);
  if (reader) throw refuse(`${reader} reads a value from inside of it`);
  bypass(now(session, block.output), now(session, block.input), patch, refuse);
  const { context } = block;
  if (!context?.output) return;
  bypass(now(session, context.output), now(session, context.input), patch, refuse);
}

function removeNorm(part: Part, patch: Patch, refuse: Refuse): void {
  bypass(part.outputs[0]!, part.x, patch, refuse);
}

function bypass(from: Value, to: Value, patch: Patch, refuse: Refuse): void {
  if (!sameShape(from, to)) throw refuse("what leaves it has another shape than what enters it");
  patch.shunt(from, sameType(patch, to, from));
}

function removeBranch(
  { block }: Site,
  part: Part,
  patch: Patch,
  session: Session,
  refuse: Refuse,
): void {
  if (part.host.kind === "attention" && part.host.holdsMlp) {
    throw refuse("its projections compute the block's MLP too");
  }
  const within = nodesOf(session, block);
  const ordered = session.model.graph.nodes.filter((node) => within.has(node));
  for (const output of part.outputs) {
    // An edit before this one may have taken away what the second stream was for.
    if (isUnread(output, session.model.graph)) continue;
    const junction = junctionOf(output, ordered);
    if (!junction) throw refuse("its branch is not added to the stream in one place");
    const { add, stream } = junction;
    if (comesApart(add)) throw new Error(`${add.name} should have come apart`);
    patch.shunt(add.outputs[0]!, stream ?? withoutTerm(junction, patch));
  }
}

function withoutTerm({ add, branch }: Junction, patch: Patch): Value {
  const rest = add.inputs.filter((_, i) => i !== branch);
  return patch.one("Concat", rest, { attributes: { axis: add.int("axis") ?? 0 } });
}
