/** What the runtime refuses of an edited model, shown at the line that grew it. */
import { diagnostic, GraftError } from "../src/diag/diagnostic.ts";
import type { Model, Node } from "../src/ir/graph.ts";
import { placeOf } from "../src/lower/index.ts";
import { termsOf } from "../src/onnx-ops/dims.ts";
import type { Plan } from "../src/plan/plan.ts";

/** @returns the cause itself where it is about no node of an operator. */
export function atItsLine(cause: unknown, { graph }: Model, plan: Plan): unknown {
  if (!(cause instanceof GraftError) || cause.diagnostics[0]?.code !== "types-refused")
    return cause;
  const said = cause.diagnostics[0].message;
  const refused = graph.nodes.find((each) => isAbout(said, each.name));
  const makers = refused?.inputs.flatMap((value) => value?.producer ?? []) ?? [];
  const node = [refused, ...makers].find((each) => each && placeOf(each));
  if (!node) return cause;
  const reason = said.split("] ").at(-1)!;
  const related = askingFor(node, plan);
  if (node !== refused) {
    const details = { at: placeOf(node), related };
    return new GraftError([diagnostic("result-refused", { reason }, details)]);
  }
  const quotient = quotientIn(node);
  const hint =
    quotient || node.op === "Reshape" ? "`pad_to(x, multiple, axis: ...)` fills an axis up" : null;
  const details = { at: placeOf(node), related, hint };
  return new GraftError([
    quotient
      ? diagnostic("size-not-whole", { size: quotient }, details)
      : diagnostic("runtime-refused", { op: node.opType, reason }, details),
  ]);
}

/** ONNX Runtime writes `(name)`, `'name'` and `"name"`. */
function isAbout(reason: string, name: string): boolean {
  return ["()", "''", '""'].some(([open, close]) => reason.includes(`${open}${name}${close}`));
}

/** `tokens/4`, where a shape beside the node has such a size. */
function quotientIn({ inputs, outputs }: Node): string | undefined {
  const dims = [...outputs, ...inputs].flatMap((value) => value?.type?.shape ?? []);
  const atoms = dims.flatMap((dim) => (dim === null ? [] : termsOf(dim).flatMap((t) => t.atoms)));
  return atoms.find((atom) => /^[^/]+\/\d+$/.test(atom));
}

function askingFor({ metadata }: Node, { edits }: Plan) {
  const edit = edits.find(({ place }) => place === metadata.get("graftc.edit"));
  if (edit?.verb !== "replace") return [];
  const [operator, site] = [metadata.get("graftc.operator"), metadata.get("graftc.site")];
  const text = `\`${operator}\` is asked for here, for ${site}`;
  return [{ at: edit.statement.operator.span, text }];
}
