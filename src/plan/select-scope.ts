/** Selections by the exporter's module scope: `"encoder.layer.*.attention"`. */
import type * as ast from "../../grammar/ast.ts";
import type { Block, Part } from "../anatomy/anatomy.ts";
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
  const named = candidates.filter(({ scope }) => matchesScope(pattern, scope));
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
}

function candidatesOf({ anatomy }: SelectContext): Candidate[] {
  return anatomy.stacks.flatMap((stack) =>
    stack.blocks.flatMap((block: Block) => {
      const label = `${stack.name}[${block.index}]`;
      const whole: Site = { label, stack, block, part: null };
      const parts = [...block.parts].map(([name, part]) => ({
        scope: part.scope,
        site: { label: `${label}.${name}`, stack, block, part },
      }));
      return [{ scope: block.scope, site: whole }, ...parts];
    }),
  );
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
  const steps = scopeOf(node);
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
