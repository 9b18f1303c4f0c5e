/**
 * Stage 1, activation distillation (arXiv 2506.05340, section 3): in one forward pass of the original
 * model every new operator is given what its predecessor reads, and regresses what that returns.
 * Inputs are the original's, so the gradient of the summed loss is exactly each site's own.
 */
import type { Anatomy } from "../../src/anatomy/anatomy.ts";
import { fail } from "../../src/diag/diagnostic.ts";
import type { Model } from "../../src/ir/graph.ts";
import type { Oracle } from "../../src/ir/oracle.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { adapt } from "./adapters.ts";
import { growerOf } from "./grower-of.ts";
import { lossOf } from "./losses.ts";
import { dataInputs, denoises, noiseSample } from "./noised.ts";
import { type Edited, parametersOf } from "./parameters.ts";
import type { Recipe } from "./recipe.ts";
import { retype } from "./retype.ts";
import { distillSites } from "./sites.ts";
import {
  closeLosses,
  feedParameters,
  forTraining,
  type GraphOptions,
  type LossGraph,
} from "./training-graph.ts";
import { transplant } from "./transplant.ts";

/** The original model, read anew. */
export interface Original {
  readonly model: Model;
  readonly anatomy: Anatomy;
}

/**
 * The losses of all sites on the original model, which becomes the training graph.
 * @throws GraftError `nothing-to-distill`, `trains-nothing`, `site-reads-new`.
 */
export async function distillGraph(
  recipe: Recipe,
  edited: Edited,
  original: Original,
  oracle: Oracle,
  { sizes, sites: wanted }: GraphOptions,
): Promise<LossGraph> {
  const all = distillSites(edited, original.anatomy);
  const sites = wanted ? all.filter(({ label }) => wanted.has(label)) : all;
  if (sites.length === 0) throw fail("nothing-to-distill", {}, { at: recipe.span });
  const parameters = new Map(parametersOf(recipe, edited).map((each) => [each.value, each]));
  const patch = new Patch(original.model.graph, null, "student");
  const grown = new Set([...edited.session.grown.values()].flatMap((nodes) => [...nodes]));
  const students = sites.map((site) => {
    const copies = transplant(site, grown, patch, (weight) => `${site.label}/${weight.name}`);
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
  const each = students.map(({ site, outputs }) => {
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
