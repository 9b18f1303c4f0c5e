/** Params of an operator: their types, arguments and defaults. */
import type * as ast from "../../grammar/ast.ts";
import { fail, GraftError } from "../diag/diagnostic.ts";
import { numberTypes } from "../plan/formal-types.ts";
import { evaluate } from "./evaluate.ts";
import { bindName, type Frame } from "./frame.ts";
import { type Argument, asTensor, wrongValue } from "./params.ts";
import { isOperand, kindOf, type Val } from "./values.ts";

interface FormalType {
  readonly wanted: string;
  readonly fits: (value: Val) => boolean;
}

const otherTypes: Readonly<Record<string, FormalType>> = {
  bool: { wanted: "true or false", fits: (value) => typeof value === "boolean" },
  string: { wanted: "a string", fits: (value) => typeof value === "string" },
  tensor: { wanted: "a tensor", fits: isOperand },
};

function formalType(name: string): FormalType | undefined {
  const type = numberTypes.get(name);
  if (!type) return otherTypes[name];
  const fits = (value: Val) =>
    typeof value === "number" ? type.fits(value) : kindOf(value) === "size";
  return { wanted: type.wanted, fits };
}

/** Gives a param its argument, or its default. */
export async function bindFormal(frame: Frame, formal: ast.Formal, arg?: Argument): Promise<void> {
  const operator = frame.operator.name.name;
  const argument = formal.name.name;
  if (!arg && !formal.default) throw fail("missing-argument", { name: operator, argument });
  const value = arg ? arg.value : await defaultOf(frame, formal);
  const type = formalType(formal.type.name);
  if (!type) throw fail("unknown-type", { type: formal.type.name }, { at: formal.type.span });
  if (!type.fits(value)) {
    const span = arg?.span ?? formal.default!.span;
    throw wrongValue(`\`${argument}\` of \`${operator}\``, type.wanted, value, span);
  }
  const tensor = formal.type.name === "tensor" && isOperand(value);
  bindName(frame, formal.name, tensor ? asTensor(frame.placement, value) : value);
}

/** The default of a param; where it rests on what the place does not tell, the author may. */
async function defaultOf(frame: Frame, { name, default: expr }: ast.Formal): Promise<Val> {
  try {
    return await evaluate(frame, expr!);
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    const hint = `say it yourself: \`${frame.operator.name.name}(${name.name}: ...)\``;
    const untold = (code: string) => code === "size-unknown-here";
    throw new GraftError(
      cause.diagnostics.map((d) => (untold(d.code) && !d.hint ? { ...d, hint } : d)),
    );
  }
}
