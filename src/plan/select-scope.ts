/** Selections by the exporter's module scope: `"encoder.layer.*.attention"`. */
import type * as ast from "../../grammar/ast.ts";
import type { Block, Part } from "../anatomy/anatomy.ts";
import { branchKind } from "../anatomy/grafted.ts";
import { scopeOf } from "../anatomy/scopes.ts";
import { fail } from "../diag/diagnostic.ts";
import { placeOf } from "../diag/span.ts";
import type { Node } from "../ir/graph.ts";
import type { Site } from "./plan.ts";
import type { SelectContext, Selected } from "./select.ts";
import { didYouMean } from "./suggestions.ts";

/**
 * Blocks and parts with this module scope, `*` for one step of it.
 * @throws GraftError for a scope inside of a part, and where the model has no scopes at all.
 */
export function selectScope(selection: ast.ScopeSelection, context: SelectContext): Selected {
  const { pattern, span } = selection;
  const candidates = candidatesOf(context);
  if (!candidates.some(({ scope }) => scope !== "")) {
    throw fail(
      "no-scopes",
      { model: context.model },
      {
        at: span,
        hint: "select by index: `blocks[...]`",
      },
    );
  }
  const named = candidatesOfModule(pattern, candidates);
  const inside = ({ site }: Candidate) =>
    isInside(pattern, site.block) && holds(site.part, pattern);
  const inner = named.length ? [] : candidates.filter(inside);
  const matched = named.length ? named : inner.filter(({ site }) => isCore(site.part!, pattern));
  const [first] = inner;
  if (first && !matched.length) {
    const { label, part } = first.site;
    const hint = `"${part!.scope}" is the whole of it`;
    throw fail("scope-inside-part", { pattern, label }, { at: span, hint });
  }
  const reasons = matched.map(({ scope, site }) => ({
    label: site.label,
    why: `its scope is ${scope}`,
  }));
  const nearest = didYouMean(pattern, new Set(candidates.map(({ scope }) => scope)));
  return {
    sites: matched.map(({ site }) => site),
    explanation: {
      place: placeOf(span),
      selection: `"${pattern}"`,
      matched: reasons,
      missed: matched.length || !nearest ? [] : [{ label: `"${pattern}"`, why: nearest }],
    },
  };
}

interface Candidate {
  readonly scope: string;
  readonly site: Site;
  /** `mlp` of `mlp2`; null for blocks and norms. */
  readonly kind: string | null;
}

/** A module that is several parts of one kind, experts and one that all share, is all of them. */
function candidatesOfModule(pattern: string, candidates: readonly Candidate[]): Candidate[] {
  const named = candidates.filter(
    (candidate) => matchesScope(pattern, candidate.scope) && !isNamesake(candidate),
  );
  const within = candidates.filter(
    ({ scope, kind, site }) => kind && (liesBelow(scope, pattern) || isWhollyIn(site, pattern)),
  );
  const all = new Set([...named, ...within]);
  const kindsOf = (block: Block) =>
    new Set([...all].flatMap(({ site, kind }) => (site.block === block ? [kind] : [])));
  const alike = within.every(({ site }) => kindsOf(site.block).size === 1);
  return alike ? candidates.filter((candidate) => all.has(candidate)) : named;
}

/** Whether a part whose projections share no module is called as one is that others come from. */
function isNamesake({ scope, site: { block, part } }: Candidate): boolean {
  if (!part || holds(part, scope)) return false;
  return [...block.nodes].some((node) => isFrom(node, scope));
}

function liesBelow(scope: string, pattern: string): boolean {
  return !matchesScope(pattern, scope) && beginsWith(pattern, scope.split("."));
}

function candidatesOf({ anatomy }: SelectContext): Candidate[] {
  return anatomy.stacks.flatMap((stack) =>
    stack.blocks.flatMap((block: Block) => {
      const label = `${stack.name}[${block.index}]`;
      const whole: Site = { label, stack, block, part: null };
      const parts = [...block.parts].map(([name, part]) => ({
        scope: part.scope,
        site: { label: `${label}.${name}`, stack, block, part },
        kind: branchKind(name),
      }));
      return [{ scope: block.scope, site: whole, kind: null }, ...parts];
    }),
  );
}

/** Whether all of a part's nodes that say where they come from are from the module. */
function isWhollyIn({ block, part }: Site, pattern: string): boolean {
  if (!isInside(pattern, block)) return false;
  const told = [...part!.nodes].filter((node) => scopeOf(node).length > 0);
  return told.length > 0 && told.every((node) => isFrom(node, pattern));
}

/** Whether the pattern names something below the block's own module. */
function isInside(pattern: string, { scope }: Block): boolean {
  const depth = scope.split(".").length;
  const steps = pattern.split(".");
  return steps.length > depth && matchesScope(steps.slice(0, depth).join("."), scope);
}

/** Whether some of a part's nodes come from the module, or from inside of it. */
function holds(part: Part | null, pattern: string): boolean {
  return part !== null && [...part.nodes].some((node) => isFrom(node, pattern));
}

/**
 * Whether a module is what people mean by an attention though its output projection is elsewhere
 * (BERT's `attention.self`): it makes queries, keys, values and what is done with them.
 */
function isCore({ host, nodes }: Part, pattern: string): boolean {
  if (host.kind !== "attention") return false;
  const maps = [host.q, host.k, host.v];
  const projected = new Set([...maps, host.out].flatMap((map) => (map ? [...map.nodes] : [])));
  const makes = maps.every((map) => [...map.nodes].some((node) => isFrom(node, pattern)));
  return makes && [...nodes].some((node) => !projected.has(node) && isSoftmax(node, pattern));
}

function isSoftmax(node: Node, pattern: string): boolean {
  return /Softmax|Attention/.test(node.opType) && isFrom(node, pattern);
}

function isFrom(node: Node, pattern: string): boolean {
  return beginsWith(pattern, scopeOf(node));
}

function beginsWith(pattern: string, steps: readonly string[]): boolean {
  return matchesScope(pattern, steps.slice(0, pattern.split(".").length).join("."));
}

/** `*` stands for exactly one step. */
export function matchesScope(pattern: string, scope: string): boolean {
  if (scope === "") return false;
  const [wanted, steps] = [pattern.split("."), scope.split(".")];
  return (
    wanted.length === steps.length && wanted.every((step, i) => step === "*" || step === steps[i])
  );
}
