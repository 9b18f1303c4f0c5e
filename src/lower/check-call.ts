/** What can be said of a call before its arguments have values. */
import type * as ast from "../../grammar/ast.ts";
import { fail } from "../diag/diagnostic.ts";
import type { OperatorScope } from "../plan/plan.ts";
import { initialisers } from "./initialise.ts";
import { layerKinds } from "./layers.ts";
import { library } from "./library.ts";
import { assign, checkNamedLast, type Param } from "./params.ts";

interface Slot {
  readonly name: string;
  readonly rest?: boolean;
  /** It may be left out. */
  readonly optional: boolean;
}

const x: Slot = { name: "x", optional: false };

/**
 * Checks which arguments a call has, where what it calls is the same wherever the operator stands.
 * @param layers names of the operator's layers, which win over the library's where they are declared.
 * @throws GraftError for arguments too many, unknown, given twice, out of order or missing.
 */
export function checkCall(
  { callee, args, span }: ast.Call,
  layers: ReadonlySet<string>,
  { operators }: OperatorScope,
): void {
  if (callee.kind !== "name" || callee.domain !== "") return;
  const { name } = callee;
  const operator = operators.get(name);
  const known = library.get(name);
  if (layers.has(name)) {
    if (!operator && !known) checkArguments(name, [x], args, span);
  } else if (operator) {
    checkArguments(name, [x, ...operator.params.map(slotOfFormal)], args, span);
  } else if (known && !Object.hasOwn(initialisers, name)) {
    checkArguments(name, known.params.map(slotOf), args, span);
  }
}

/** @throws GraftError as a call does. */
export function checkLayer({ type: { name }, args, span }: ast.Layer): void {
  if (!Object.hasOwn(layerKinds, name)) return;
  checkArguments(name, layerKinds[name]!.params.map(slotOf), args, span);
}

function slotOf({ name, rest = false, ...param }: Param<unknown>): Slot {
  return { name, rest, optional: rest || "fallback" in param };
}

function slotOfFormal({ name, default: usual }: ast.Formal): Slot {
  return { name: name.name, optional: usual !== null };
}

function checkArguments(
  name: string,
  slots: readonly Slot[],
  args: readonly ast.Arg[],
  at: ast.Call["span"],
): void {
  checkNamedLast(name, args);
  const unread = args.map(({ name, span }) => ({ name: name?.name ?? null, value: null, span }));
  const given = assign(name, slots, unread);
  const missing = slots.find((slot) => !slot.optional && !given.has(slot));
  if (missing) throw fail("missing-argument", { name, argument: missing.name }, { at });
}
