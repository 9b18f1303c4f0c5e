/** `replace ... with OP(args)`: does the operator exist, fit the place, and take these arguments? */
import type * as ast from "../../grammar/ast.ts";
import type { Part } from "../anatomy/anatomy.ts";
import { fail, type Reporter } from "../diag/diagnostic.ts";
import { evaluate, evaluateInteger, evaluateNumber, mismatch } from "./evaluate.ts";
import { numberTypes } from "./formal-types.ts";
import { choicesOf, mentions } from "./mentions.ts";
import type { ArgValue, OperatorScope, Site } from "./plan.ts";
import { didYouMean, listNames } from "./suggestions.ts";

/** @throws GraftError when there is no such operator, or it is a helper. */
export function operatorNamed(use: ast.OperatorUse, scope: OperatorScope): ast.Operator {
  const { name, span } = use.name;
  const operator = scope.operators.get(name);
  if (operator?.place) return operator;
  const placed = [...scope.operators.keys()].filter((key) => scope.operators.get(key)?.place);
  if (operator) {
    throw fail(
      "helper-in-replace",
      { name },
      {
        at: span,
        hint: "an operator that `replace` may place says `for attn` or `for mlp`",
        related: [{ at: operator.name.span, text: "defined here" }],
      },
    );
  }
  throw fail(
    "unknown-operator",
    { name },
    {
      at: span,
      hint: didYouMean(name, placed),
      notes: [`operators are ${listNames(placed.sort())}`],
    },
  );
}

/** What `for` of an operator says about a part: its kind, whichever of several it is. */
function placeOfPart(part: Part): string {
  if (part.host.kind === "norm") return "norm";
  if (/mlp\d*$/.test(part.name)) return "mlp";
  return part.name.startsWith("cross_attn") ? "cross_attn" : "attn";
}

const places: readonly string[] = ["attn", "cross_attn", "mlp", "norm", "block"];

/** Reports a `for` that names no place, whether or not anything uses the operator. */
export function checkFor({ name: { name }, place }: ast.Operator, reporter: Reporter): void {
  if (!place || places.includes(place.name)) return;
  const details = { at: place.span, hint: didYouMean(place.name, places) };
  const notes = [`places are ${listNames(places)}`];
  reporter.report("unknown-place", { name, place: place.name }, { ...details, notes });
}

/** Reports sites that the operator is not made for. */
export function checkPlace(
  operator: ast.Operator,
  use: ast.OperatorUse,
  sites: readonly Site[],
  reporter: Reporter,
): void {
  const { name: place, span } = operator.place!;
  const name = operator.name.name;
  if (!places.includes(place)) return;
  const whole = sites.find((site) => !site.part);
  if (whole && place !== "block") {
    const parts = [...whole.block.parts.keys()].sort().join(", ");
    reporter.report(
      "replace-whole-block",
      { label: whole.label, name },
      {
        at: use.span,
        hint: `name a part: \`.${place}\``,
        notes: parts ? [`${whole.label} has ${parts}`] : [],
      },
    );
    return;
  }
  const misplaced = place === "block" ? sites.find((site) => site.part) : undefined;
  if (misplaced) {
    const params = { name, place: "whole blocks", label: misplaced.label, wanted: "a part" };
    reporter.report("wrong-place", params, { at: use.name.span });
    return;
  }
  const takesContext = mentions(operator.body, "context");
  for (const { part, label } of sites) {
    if (!part) continue;
    const wanted = placeOfPart(part);
    const fits = wanted === place || (wanted === "cross_attn" && place === "attn" && takesContext);
    if (!fits) {
      reporter.report(
        "wrong-place",
        { name, place, label, wanted },
        {
          at: use.name.span,
          related: [{ at: span, text: `\`${name}\` is for ${place}` }],
        },
      );
      return;
    }
    if (part.host.kind === "attention" && part.host.holdsMlp) {
      reporter.report("replace-takes-mlp", { label }, { at: use.span });
      return;
    }
    if (part.host.kind === "attention" && part.host.cache) {
      reporter.report(
        "replace-drops-cache",
        { label, name },
        {
          at: use.span,
          hint: "export the model without its cache",
        },
      );
      return;
    }
    if (part.outputs.length > 1 && !takesContext) {
      reporter.report(
        "joint-needs-context",
        { name, label },
        {
          at: use.name.span,
          hint: "use `context` in the operator and return both streams",
        },
      );
      return;
    }
  }
}

function checkChoice(operator: ast.Operator, formal: ast.Formal, value: string, arg: ast.Arg) {
  const choices = choicesOf(operator, formal);
  if (!choices || choices.includes(value)) return;
  const values = listNames(choices.map((choice) => `"${choice}"`));
  const params = { what: formal.name.name, values, name: `"${value}"` };
  throw fail("unknown-choice", params, { at: arg.value.span, hint: didYouMean(value, choices) });
}

/**
 * Binds the arguments that were given; defaults stay with the lowering, which knows the sizes that
 * they may depend on.
 */
export function bindArguments(
  operator: ast.Operator,
  use: ast.OperatorUse,
  params: ReadonlyMap<string, ArgValue>,
  reporter: Reporter,
): ReadonlyMap<string, ArgValue> {
  const formals = operator.params.filter((formal) => formal.type.name !== "tensor");
  const args = new Map<string, ArgValue>();
  const name = operator.name.name;
  use.args.forEach((arg, position) => {
    reporter.attempt(() => {
      const formal = arg.name
        ? formals.find((each) => each.name.name === arg.name!.name)
        : formals[position];
      if (!formal) throw noSuchArgument(name, formals, arg);
      if (!arg.name && use.args.slice(0, position).some((each) => each.name)) {
        throw fail("positional-after-named", { name }, { at: arg.span });
      }
      const key = formal.name.name;
      if (args.has(key)) throw fail("argument-twice", { name, argument: key }, { at: arg.span });
      const value = convert(formal, arg.value, params);
      if (typeof value === "string") checkChoice(operator, formal, value, arg);
      args.set(key, value);
    });
  });
  for (const formal of operator.params) {
    const key = formal.name.name;
    const given = use.args.some((arg, i) =>
      arg.name ? arg.name.name === key : formals[i] === formal,
    );
    if (formal.default || given) continue;
    const related = [{ at: formal.span, text: "declared here" }];
    reporter.report("missing-argument", { name, argument: key }, { at: use.span, related });
  }
  return args;
}

function noSuchArgument(name: string, formals: readonly ast.Formal[], arg: ast.Arg) {
  const known = formals.map((formal) => formal.name.name);
  const takes = known.length ? `it takes ${listNames(known)}` : "it takes none";
  return arg.name
    ? fail(
        "unknown-argument",
        { name, argument: arg.name.name },
        {
          at: arg.name.span,
          hint: didYouMean(arg.name.name, known),
          notes: [takes],
        },
      )
    : fail("too-many-arguments", { name }, { at: arg.span, notes: [takes] });
}

function convert(
  formal: ast.Formal,
  value: ast.Expr,
  params: ReadonlyMap<string, ArgValue>,
): ArgValue {
  const names = { values: params };
  const what = `\`${formal.name.name}\``;
  const type = numberTypes.get(formal.type.name);
  if (type) {
    const got = (type.whole ? evaluateInteger : evaluateNumber)(value, names, what);
    return type.fits(got) ? got : mismatch(value, what, type.wanted, got);
  }
  switch (formal.type.name) {
    case "bool": {
      const got = evaluate(value, names);
      return typeof got === "boolean" ? got : mismatch(value, what, "true or false", got);
    }
    case "string": {
      const got = evaluate(value, names);
      return typeof got === "string" ? got : mismatch(value, what, "a string", got);
    }
    default:
      throw new Error(`${formal.type.name} is no type of parameters`);
  }
}
