/** A message declares its own parameters: error`No operator is called ${"name"}.` */
export type Severity = "error" | "warning" | "note";

export interface Template<Param extends string = string> {
  readonly severity: Severity;
  readonly texts: readonly string[];
  readonly params: readonly Param[];
}

function tag(severity: Severity) {
  return <const Params extends readonly string[]>(
    texts: TemplateStringsArray,
    ...params: Params
  ): Template<Params[number]> => ({ severity, texts: [...texts], params });
}

export const error = tag("error");
export const warning = tag("warning");
export const note = tag("note");

/** The values of a template's parameters: all of them, nothing else. */
export type ParamsOf<T> =
  T extends Template<infer P> ? { readonly [K in P]: string | number } : never;

export function fill(
  template: Template,
  values: Readonly<Record<string, string | number>>,
): string {
  return template.texts.reduce((text, piece, i) => {
    const param = template.params[i - 1];
    return `${text}${param === undefined ? "" : clipped(String(values[param]))}${piece}`;
  });
}

/** Names and reasons come from files, which may hold any; a message stays one that can be read. */
const longest = 600;

function clipped(text: string): string {
  const half = longest / 2;
  return text.length <= longest ? text : `${text.slice(0, half)} … ${text.slice(-half)}`;
}
