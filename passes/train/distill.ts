/**
 * Stage 1, activation distillation (arXiv 2506.05340, section 3): in one forward pass of the original
 * model every new operator is given what its predecessor reads, and regresses what that returns.
 * Inputs are the original's, so the gradient of the summed loss is exactly each site's own.
 */
import type { Anatomy } from "../../src/anatomy/anatomy.ts";
import { fail } from "../../src/diag/diagnostic.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import type { Oracle } from "../../src/ir/oracle.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { grownNodes } from "../session.ts";
import { adapt } from "./adapters.ts";
import { growerOf } from "./grower-of.ts";
import { lossOf } from "./losses.ts";
import { dataInputs, denoises, noiseSample } from "./noised.ts";
import { type Edited, parametersOf, selectedBy } from "./parameters.ts";
import type { Recipe } from "./recipe.ts";
import { retype } from "./retype.ts";
import { type DistillSite, distillSites } from "./sites.ts";
import {
  closeLosses,
  feedParameters,
  forTraining,
  type GraphOptions,
  type LossGraph,
} from "./training-graph.ts";
import { type Reach, reachOf, transplant } from "./transplant.ts";

/** The original model, read anew. */
export interface Original {
  readonly model: Model;
  readonly anatomy: Anatomy;
}

/**
 * The losses of all sites on the original model, which becomes the training graph.
 * @throws GraftError `nothing-to-distill`, `not-distilled`, `trains-nothing`, `site-reads-new`.
 */
export async function distillGraph(
  recipe: Recipe,
  edited: Edited,
  original: Original,
  oracle: Oracle,
  { sizes, sites: wanted }: GraphOptions,
): Promise<LossGraph> {
  const all = distillSites(edited, original.anatomy);
  if (all.length === 0) throw fail("nothing-to-distill", {}, { at: recipe.span });
  const parameters = new Map(parametersOf(recipe, edited).map((each) => [each.value, each]));
  const learners = learnersOf(recipe, edited, all, parameters);
  const patch = new Patch(original.model.graph, null, "student");
  const sites = learners.filter(({ site }) => !wanted || wanted.has(site.label));
  const students = sites.map(({ site, reach }) => {
    const copies = transplant(site, reach, patch, (weight) => `${site.label}/${weight.name}`);
    return { site, ...copies };
  });
  patch.commit();

  const model = forTraining(original.model, sizes);
  const chosen = students.flatMap(({ site, weights }) =>
    [...weights].flatMap(([here, copy]) => {
      const parameter = parameters.get(here);
      return parameter ? [{ ...parameter, value: copy, group: site.label }] : [];
    }),
  );
  const { seed } = edited.session;
  const { adapters, now, ...adapted } = await adapt(model, chosen, recipe, { oracle, seed });
  const denoiser = denoises(model, recipe) ? noiseSample(model, recipe, "diffusion") : null;
  const noise = denoiser?.noise.name ?? null;
  const trained = feedParameters(model, adapted.trained);
  const data = dataInputs(model, new Set(trained.map(({ value }) => value)));
  await retype(model, oracle);
  const grower = growerOf(model, "loss");
  // Adapters are of linear layers: a site may have none.
  const taught = new Set(trained.map(({ group }) => group));
  const learning = students.filter(({ site }) => taught.has(site.label));
  const each = learning.map(({ site, outputs }) => {
    const parts = outputs.map((output, i) =>
      lossOf(recipe.losses[site.kind], grower.wire(now(output)), grower.wire(site.outputs[i]![1])),
    );
    return { group: site.label, wire: grower.sum(parts) };
  });
  const total = grower.sum(each.map(({ wire }) => wire));
  const sum = each.length > 1 ? total : grower.one("Identity", [total]);
  grower.patch.commit();
  const losses = closeLosses(model, [
    { name: "loss", value: sum.value, group: null },
    ...each.map(({ group, wire }) => ({ name: `loss.${group}`, value: wire.value, group })),
  ]);
  return { model, span: recipe.span, data, noise, trained, adapters, losses };
}

interface Learner {
  readonly site: DistillSite;
  readonly reach: Reach;
}

/** Sites with a weight among those that are trained; whatever is selected has to be of one. */
function learnersOf(
  { train, span }: Recipe,
  edited: Edited,
  sites: readonly DistillSite[],
  trained: ReadonlyMap<Value, unknown>,
): Learner[] {
  const grown = grownNodes(edited.session);
  const reached = sites.map((site) => ({ site, reach: reachOf(site, grown) }));
  const taught = new Set(reached.flatMap(({ reach }) => [...reach.weights]));
  const isTaught = (weight: Value) => taught.has(weight);
  const stray = selectedBy(train, edited).find(({ weights }) => ![...weights].some(isTaught));
  if (stray) {
    const hint = `sites are ${sites.map(({ label }) => label).join(", ")}; \`finetune\` trains any weight`;
    throw fail("not-distilled", { selection: stray.label }, { at: span, hint });
  }
  return reached.filter(({ reach }) => [...reach.weights].some((weight) => trained.has(weight)));
}
