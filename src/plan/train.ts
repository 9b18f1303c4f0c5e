/** The value of `train`: which weights a recipe moves. */
import type * as ast from "../../grammar/ast.ts";
import { scopeOf } from "../anatomy/scopes.ts";
import { fail } from "../diag/diagnostic.ts";
import type { Explanation } from "../explain/explanation.ts";
import type { Model } from "../ir/graph.ts";
import { foresee } from "./foreseen.ts";
import type { RecipeValue, Site } from "./plan.ts";
import { type SelectContext, type Selected, select } from "./select.ts";
import { didYouMean } from "./suggestions.ts";

const noTail: ast.Tail = { optional: false, expect: null };

/**
 * `new`, `all`, selections, and strings that name a block, a part, an initializer or a module.
 * @param edited scopes of what edits touched: what they make below these is not known yet.
 * @param explanations gets that of each selection.
 * @throws GraftError for a term that selects nothing.
 */
export function planTrain(
  train: ast.TrainSelection,
  context: SelectContext,
  model: Model,
  edited: readonly string[],
  explanations: Explanation[],
): RecipeValue {
  let base: "new" | "all" | null = null;
  const sites: Site[] = [];
  const names: string[] = [];
  const take = (selected: Selected) => {
    sites.push(...selected.sites);
    explanations.push(selected.explanation);
  };
  for (const term of train.terms) {
    const word = term.kind === "all" ? "all" : bareWord(term);
    if (word === "new" || word === "all") {
      if (base) throw fail("term-twice", { what: "train", name: word }, { at: term.span });
      base = word;
    } else if (term.kind === "scope" && mayNameWeights(term.pattern, model, edited)) {
      names.push(term.pattern);
    } else if (term.kind === "scope") {
      const selected = select(term, { ...noTail, optional: true }, context);
      if (!selected.sites.length) throw unknownWeights(term, model);
      take(selected);
    } else if (term.kind === "path") {
      take(select(term, noTail, context));
    }
  }
  return { kind: "train", base, sites, names };
}

/** @throws GraftError for a term that means nothing on any model. */
export function foreseeTrain({ terms }: ast.TrainSelection, params: SelectContext["params"]): void {
  for (const term of terms) {
    if (term.kind !== "path" || bareWord(term) === "new") continue;
    foresee(term, params);
  }
}

function bareWord(term: ast.Selection): string | null {
  if (term.kind !== "path" || term.index || term.stack.length !== 1) return null;
  return term.stack[0]!.name;
}

function mayNameWeights(name: string, model: Model, edited: readonly string[]): boolean {
  return namesWeights(name, model) || edited.some((scope) => name.startsWith(`${scope}.`));
}

/** A weight of this name, or a module that computes or holds one: exporters drop names of weights. */
function namesWeights(name: string, { graph }: Model): boolean {
  const within = (path: string) => path === name || path.startsWith(`${name}.`);
  if ([...graph.initializers].some((weight) => within(weight.name))) return true;
  const module = name.replace(/\.(weight|bias)$/, "");
  return graph.nodes.some((node) => {
    const path = scopeOf(node).join(".");
    return within(path) || (module !== name && path === module);
  });
}

function unknownWeights(term: ast.ScopeSelection, model: Model) {
  const modules = model.graph.nodes.map((node) => scopeOf(node).join("."));
  const names = new Set([...[...model.graph.initializers].map(({ name }) => name), ...modules]);
  return fail(
    "no-such-weights",
    { name: term.pattern, model: model.path },
    {
      at: term.span,
      hint: didYouMean(term.pattern, names),
    },
  );
}
