import pico from "picocolors";
import type { Diagnostic } from "./diagnostic.ts";
import { lineAt, positionOf, type Span } from "./span.ts";
import type { Severity } from "./template.ts";
import { glyphOf, printable } from "./width.ts";

/** Longer lines are shown in part: this many characters, some of them before the place. */
const window = 120;
const before = 40;

type Colors = ReturnType<typeof pico.createColors>;
type Paint = (text: string) => string;

function paintOf(severity: Severity, colors: Colors): Paint {
  return { error: colors.red, warning: colors.yellow, note: colors.cyan }[severity];
}

/** One line of a frame: the characters `from` to `to` of the line are marked. */
interface Mark {
  readonly line: number;
  readonly from: number;
  readonly to: number;
}

/** The lines that a span covers. Empty spans, and those at a line's end, mark one column. */
function marksOf(span: Span): Mark[] {
  const first = positionOf(span.source, span.start);
  const last = positionOf(span.source, Math.max(span.start, span.end - 1));
  const marks: Mark[] = [];
  const lines =
    last.line - first.line < 4
      ? Array.from({ length: last.line - first.line + 1 }, (_, i) => first.line + i)
      : [first.line, last.line];
  for (const line of lines) {
    const { text, start } = lineAt(span.source, line);
    const from = line === first.line ? first.column - 1 : text.search(/\S|$/);
    const to = line === last.line ? span.end - start : text.length;
    if (line === first.line || to > from) marks.push({ line, from, to: Math.max(to, from + 1) });
  }
  return marks;
}

/** The text of a marked line and, below it, as much white space and as many carets as it takes. */
function drawLine(text: string, { from, to }: Mark, caret: string): [string, string] {
  const cutLeft = text.length > window && from > before ? from - before : 0;
  const cutRight = Math.min(text.length, cutLeft + window);
  let shown = cutLeft > 0 ? "…" : "";
  let below = cutLeft > 0 ? " " : "";
  let at = cutLeft;
  for (const character of text.slice(cutLeft, cutRight)) {
    const glyph = glyphOf(character);
    shown += glyph.text;
    if (at < to) below += (at < from ? " " : caret).repeat(glyph.width);
    at += character.length;
  }
  if (from >= at) below += " ".repeat(from - at);
  if (!below.endsWith(caret)) below += caret;
  return [shown + (cutRight < text.length ? "…" : ""), below];
}

/**
 * `slim.graft:4:24`, the lines, carets below them and `label` behind the last caret. The gutter is
 * as wide as the longest line number.
 */
function frame(span: Span, label: string, caret: string, gutter: number, paint: Paint, dim: Paint) {
  const { line, column } = positionOf(span.source, span.start);
  const out = [
    `${" ".repeat(gutter)} ${dim("-->")} ${printable(span.source.path)}:${line}:${column}`,
  ];
  const marks = marksOf(span);
  for (const [i, mark] of marks.entries()) {
    if (i > 0 && mark.line > marks[i - 1]!.line + 1) out.push(dim("..."));
    const [text, carets] = drawLine(lineAt(span.source, mark.line).text, mark, caret);
    const comment = i === marks.length - 1 && label !== "" ? ` ${printable(label)}` : "";
    const drawn = carets.trimStart();
    const indent = carets.slice(0, carets.length - drawn.length);
    out.push(`${dim(`${String(mark.line).padStart(gutter)} |`)} ${text}`.trimEnd());
    out.push(`${dim(`${" ".repeat(gutter)} |`)} ${indent}${paint(drawn + comment)}`);
  }
  return out;
}

/**
 * A diagnostic for people: what, where with the source line, the way out behind the carets, other
 * places, notes. No newline at the end.
 */
export function renderDiagnostic(d: Diagnostic, options: { readonly color: boolean }): string {
  const colors = pico.createColors(options.color);
  const paint = paintOf(d.severity, colors);
  const dim = colors.blue;
  const spans = [...(d.at === null ? [] : [d.at]), ...d.related.map((related) => related.at)];
  const gutter = Math.max(1, ...spans.flatMap(marksOf).map((mark) => String(mark.line).length));
  const notes = d.at === null && d.hint !== null ? [d.hint, ...d.notes] : d.notes;
  const margin = " ".repeat(gutter + 1);
  return [
    `${colors.bold(paint(`${d.severity}[${d.code}]`))}${colors.bold(`: ${printable(d.message)}`)}`,
    ...(d.at === null ? [] : frame(d.at, d.hint ?? "", "^", gutter, paint, dim)),
    ...d.related.flatMap(({ at, text }) => frame(at, text, "-", gutter, dim, dim)),
    ...notes.map(
      (note) => `${margin}${dim("=")} ${printable(note).replaceAll("\n", `\n${margin}  `)}`,
    ),
  ].join("\n");
}

/** Several diagnostics with a blank line between them. */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  options: { readonly color: boolean },
): string {
  return diagnostics.map((d) => renderDiagnostic(d, options)).join("\n\n");
}
