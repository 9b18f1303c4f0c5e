/** `lora: 8`: adapters are trained in the place of the weights that they stand beside. */
import type { Model, Value } from "../../src/ir/graph.ts";
import type { Oracle } from "../../src/ir/oracle.ts";
import { growerOf } from "./grower-of.ts";
import { type Adapter, growAdapters } from "./lora.ts";
import type { Parameter } from "./parameters.ts";
import type { Recipe } from "./recipe.ts";
import { retype } from "./retype.ts";

export interface GroupedParameter extends Parameter {
  /** Whose clip and optimizer it belongs to: a site of distill, null in finetune. */
  readonly group: string | null;
}

export interface NamedAdapter extends Adapter {
  /** The state_dict name of the weight. */
  readonly name: string;
  /** Whether a state_dict has it turned; what an operator declares as a weight lies as declared. */
  readonly turned: boolean;
}

export interface Adapted {
  readonly trained: readonly GroupedParameter[];
  readonly adapters: readonly NamedAdapter[];
  /** What a value of the model has become. */
  readonly now: (value: Value) => Value;
}

/**
 * What a recipe trains: these weights, or adapters beside them.
 * @throws GraftError `nothing-to-adapt` where none of them is of a linear layer.
 */
export async function adapt(
  model: Model,
  trained: readonly GroupedParameter[],
  { lora, span }: Recipe,
  { oracle, seed }: { readonly oracle: Oracle; readonly seed: number },
): Promise<Adapted> {
  if (!lora) return { trained, adapters: [], now: (value) => value };
  await retype(model, oracle);
  const grower = growerOf(model, "");
  const grown = growAdapters({ grower, trained, lora, seed, span });
  const { shunts } = grower.patch;
  grower.patch.commit();
  const owners = new Map(trained.map((parameter) => [parameter.value, parameter]));
  const adapters = grown.map((adapter) => {
    const { name, layout } = owners.get(adapter.weight)!;
    return { ...adapter, name, turned: layout === "in,out" };
  });
  const factors = adapters.flatMap(({ weight, a, b }) =>
    [a, b].map((value): GroupedParameter => {
      const { dtype, shape } = value.initializer!;
      const { group } = owners.get(weight)!;
      return { name: value.name, value, dtype, shape, layout: "out,in", group };
    }),
  );
  const moved = new Map(shunts.map(({ from, to }) => [from, to]));
  return { trained: factors, adapters, now: (value) => moved.get(value) ?? value };
}
