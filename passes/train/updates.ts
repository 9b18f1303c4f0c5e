/** One step of an optimizer on wires of any graph: clipping by group, the update, averaged weights. */
import type { Grower } from "../../src/onnx-ops/grower.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";
import { clipping } from "./clip.ts";
import type { OptimizerSpec } from "./recipe.ts";
import { type Elementwise, inRows } from "./rows.ts";
import { updateRuleOf } from "./update-rules.ts";

/** `rows` is for CPUs; `plain` has one node for each operation on each tensor. */
export type Form = "rows" | "plain";

/** A parameter and what belongs to it, all of its shape, float32. */
export interface Slot {
  /** Whose gradients are clipped together. */
  readonly group: string;
  readonly parameter: Wire;
  readonly gradient: Wire;
  /** In the order of the rule's names. */
  readonly states: readonly Wire[];
  /** The averaged weights, where they are wanted. */
  readonly average: Wire | null;
}

export type Updated = Pick<Slot, "parameter" | "states" | "average">;

export interface StepRequest {
  readonly optimizer: OptimizerSpec;
  /** Largest norm of a group's gradients. */
  readonly clip: number;
  readonly form: Form;
  /** `any`: large results of rows stay matrices of rows. */
  readonly shapes: "own" | "any";
  /** float32 [] */
  readonly learningRate: Wire;
  /** int64 [], from 1 */
  readonly step: Wire;
  /** float32 [], where there are averages. */
  readonly averageDecay: Wire | null;
  /** Gradients that are not finite end the run before it writes anything. */
  readonly guarded: boolean;
}

export interface Updates {
  /** In the order of the slots. */
  readonly updated: readonly Updated[];
  /** Norms of the gradients before clipping, by group. */
  readonly norms: ReadonlyMap<string, Wire>;
}

/**
 * Every result comes after the norm of its group, and so after whatever the gradients were
 * computed from: it may be written over the parameter or state that it replaces.
 */
export function growUpdates(grower: Grower, slots: readonly Slot[], request: StepRequest): Updates {
  const { clip, form, shapes, guarded } = request;
  const operate = operationOf(grower, request);
  const groups = [...new Set(slots.map(({ group }) => group))].map((group) => {
    const members = slots.filter((slot) => slot.group === group);
    const gradients = members.map(({ gradient }) => gradient);
    const clipped = grower.patch.within(group, () => clipping(grower, gradients, clip));
    return { group, members, ...clipped };
  });
  const norms = new Map(groups.map(({ group, norm }) => [group, norm]));
  const pass = guarded ? barrier(grower, [...norms.values()]) : (factor: Wire) => factor;
  const updated = new Map<Slot, Updated>();
  for (const { group, members, factor } of groups) {
    const elementwise = operate(pass(factor));
    grower.patch.within(group, () => {
      const operands = members.map(operandsOf);
      const results =
        form === "rows"
          ? inRows(grower, operands, elementwise)
          : operands.map((wires) => elementwise(wires));
      members.forEach((slot, i) => {
        const own = (wire: Wire) => wire.reshape(slot.parameter.shape);
        updated.set(slot, updatedOf(slot, shapes === "own" ? results[i]!.map(own) : results[i]!));
      });
    });
  }
  return { updated: slots.map((slot) => updated.get(slot)!), norms };
}

/** In the names of the nodes that end a run; ONNX Runtime quotes them. */
export const barrierName = "finite_gradients";

/**
 * Lets factors through where all norms are finite. Where one is not, a Reshape of one element asks
 * for two, which no provider grants: whatever waits for a factor is never written.
 */
function barrier(grower: Grower, norms: readonly Wire[]): (factor: Wire) => Wire {
  return grower.patch.within(barrierName, () => {
    const sum = norms.length === 1 ? norms[0]! : grower.one("Sum", norms);
    const types = [{ dtype: "bool", shape: [] }] as const;
    const broken = grower.one("IsNaN", [sum.mul(0)], { types }).cast("int64");
    const shape = broken.add(1).reshape([1]);
    return (factor) =>
      grower.patch.within(barrierName, () => {
        const type = { dtype: "float32", shape: [1] } as const;
        return grower.one("Reshape", [factor, shape], { types: [type] }).reshape([]);
      });
  });
}

function operandsOf({ parameter, gradient, states, average }: Slot): Wire[] {
  return [parameter, gradient, ...states, ...(average ? [average] : [])];
}

function updatedOf({ states }: Slot, [parameter, ...rest]: readonly Wire[]): Updated {
  const count = states.length;
  return { parameter: parameter!, states: rest.slice(0, count), average: rest[count] ?? null };
}

/** From `operandsOf` to what `updatedOf` reads, by what a group's gradients are multiplied with. */
function operationOf(grower: Grower, request: StepRequest): (factor: Wire) => Elementwise {
  const rule = updateRuleOf(request.optimizer);
  const { learningRate: rate, step } = request;
  const scalars = Object.entries(rule.scalars({ grower, rate, step: step.cast("float64") }));
  const pull = request.averageDecay?.from(1);
  return (factor) =>
    ([parameter, gradient, ...rest]) => {
      const inside = (wire: Wire) => parameter!.grower.wire(wire.value);
      const states = rest.slice(0, rule.states.length);
      const average = rest[rule.states.length];
      const next = rule.update(
        { parameter: parameter!, gradient: gradient!.mul(inside(factor)), states },
        Object.fromEntries(scalars.map(([name, wire]) => [name, inside(wire)])),
      );
      const averaged = average?.add(next.parameter.sub(average).mul(inside(pull!)));
      return [next.parameter, ...next.states, ...(averaged ? [averaged] : [])];
    };
}
