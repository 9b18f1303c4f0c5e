/** Selections by the exporter's module scope: `"encoder.layer.*.attention"`. */
import type * as ast from "../../grammar/ast.ts";
import type { Block } from "../anatomy/anatomy.ts";
import { fail } from "../diag/diagnostic.ts";
import { placeOf } from "../diag/span.ts";
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
  const matched = candidates.filter(({ scope }) => matchesScope(pattern, scope));
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

/** `*` stands for exactly one step. */
export function matchesScope(pattern: string, scope: string): boolean {
  if (scope === "") return false;
  const [wanted, steps] = [pattern.split("."), scope.split(".")];
  return (
    wanted.length === steps.length && wanted.every((step, i) => step === "*" || step === steps[i])
  );
}
