/** `replace ... with OP(args)`: does the operator exist, fit the place, and take these arguments? */
import type * as ast from "../../grammar/ast.ts";
import { fail, GraftError, type Reporter } from "../diag/diagnostic.ts";
import type { Code } from "../diag/messages/index.ts";
import { evaluate, evaluateInteger, evaluateNumber, mismatch } from "./evaluate.ts";
import { formalTypes, numberTypes } from "./formal-types.ts";
import { choicesOf, mentions } from "./mentions.ts";
import { partKind } from "./part-names.ts";
import type { ArgValue, OperatorScope, Site } from "./plan.ts";
import { type Spot, spotOf } from "./spots.ts";
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

const places: readonly string[] = ["attn", "cross_attn", "mlp", "norm", "block"];

/** Reports a `for` that names no place, whether or not anything uses the operator. */
export function checkFor({ name: { name }, place }: ast.Operator, reporter: Reporter): void {
  if (!place || places.includes(place.name)) return;
  const details = { at: place.span, hint: didYouMean(place.name, places) };
  const notes = [`places are ${listNames(places)}`];
  reporter.report("unknown-place", { name, place: place.name }, { ...details, notes });
}

/**
 * Reports a place whose kind the operator is not made for.
 * @param parts of the block, for a way out.
 * @returns whether it did.
 */
export function checkKind(
  operator: ast.Operator,
  use: ast.OperatorUse,
  { label, part }: Pick<Spot, "label" | "part">,
  reporter: Reporter,
  parts: Iterable<string> = [],
): boolean {
  const { name: place, span } = operator.place!;
  const name = operator.name.name;
  if (!places.includes(place)) return false;
  if (part === null) {
    if (place === "block") return false;
    const has = [...parts].sort().join(", ");
    const hint = `name a part: \`.${place}\``;
    const notes = has ? [`${label} has ${has}`] : [];
    reporter.report("replace-whole-block", { label, name }, { at: use.span, hint, notes });
    return true;
  }
  if (place === "block") {
    const params = { name, place: "whole blocks", label, wanted: "a part" };
    reporter.report("wrong-place", params, { at: use.name.span });
    return true;
  }
  const wanted = partKind(part);
  const takesBoth = wanted === "cross_attn" && place === "attn" && takesContext(operator);
  if (!wanted || wanted === place || takesBoth) return false;
  const related = [{ at: span, text: `\`${name}\` is for ${place}` }];
  reporter.report("wrong-place", { name, place, label, wanted }, { at: use.name.span, related });
  return true;
}

function takesContext({ body }: ast.Operator): boolean {
  return mentions(body, "context");
}

/** What runs through a part as one stream is all that an operator of one stream takes the place of. */
export function joinedSite(site: Site, operator: ast.Operator): Site {
  const { part } = site;
  if (!part?.joined || takesContext(operator)) return site;
  const { x, y } = part.joined;
  return { ...site, part: { ...part, x, context: null, outputs: [y] } };
}

/** Reports sites that the operator is not made for. */
export function checkPlace(
  operator: ast.Operator,
  use: ast.OperatorUse,
  sites: readonly Site[],
  reporter: Reporter,
): void {
  const name = operator.name.name;
  for (const site of sites) {
    const { part, label, block } = site;
    if (checkKind(operator, use, spotOf(site), reporter, block.parts.keys())) return;
    if (!part) continue;
    if (part.host.kind === "attention" && part.host.holdsMlp) {
      reporter.report("replace-takes-mlp", { label }, { at: use.span });
      return;
    }
    if (part.keeps) {
      reporter.report(
        "replace-drops-cache",
        { label, name, kept: part.keeps },
        {
          at: use.span,
          hint: "export the model without its cache",
        },
      );
      return;
    }
    if (part.outputs.length > 1 && !part.joined && !takesContext(operator)) {
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

/** What a default says where it needs nothing of the place. */
const placeless: ReadonlySet<Code> = new Set([
  "unknown-value",
  "size-outside-operator",
  "no-value-here",
]);

/** @throws GraftError for a default of another type than the parameter's. */
export function checkDefault(formal: ast.Formal, params: ReadonlyMap<string, ArgValue>): void {
  if (!formal.default || !formalTypes.includes(formal.type.name)) return;
  if (formal.type.name === "tensor") return;
  try {
    convert(formal, formal.default, params);
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    if (!cause.diagnostics.some(({ code }) => placeless.has(code))) throw cause;
  }
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
