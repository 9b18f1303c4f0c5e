/**
 * Text with the places where it may break, and the printer that chooses among them: a group is on
 * one line where it fits, else all of its own lines break (Wadler, "A prettier printer", 2003).
 */
export type Doc = string | readonly Doc[] | Token | Line | Indent | Group | Comment;

/** A token, with its offset in the source. */
interface Token {
  readonly kind: "token";
  readonly text: string;
  readonly at: number;
}

interface Line {
  readonly kind: "line";
  /** What it is where the group is on one line. */
  readonly flat: "" | " ";
  /** Always breaks, and all groups around it. */
  readonly hard: boolean;
  /** An empty line before the next one, where it breaks. */
  readonly blank: boolean;
}

interface Indent {
  readonly kind: "indent";
  readonly by: number;
  readonly doc: Doc;
  readonly hard: boolean;
}

interface Group {
  readonly kind: "group";
  readonly doc: Doc;
  readonly hard: boolean;
}

/** A comment at the end of a line. It takes no room, and may keep its column. */
interface Comment {
  readonly kind: "comment";
  readonly text: string;
  /** Spaces before it, at least. */
  readonly gap: number;
  /** From 0; kept where the line still begins with the token at `first`. */
  readonly column: number;
  readonly first: number;
}

export const token = (text: string, at: number): Doc => ({ kind: "token", text, at });
export const line = (flat: "" | " ", blank = false): Doc => {
  return { kind: "line", flat, hard: false, blank };
};
export const hardLine = (blank = false): Doc => ({ kind: "line", flat: "", hard: true, blank });
export const indent = (doc: Doc, by = 2): Doc => ({ kind: "indent", by, doc, hard: isHard(doc) });
export const group = (doc: Doc): Doc => ({ kind: "group", doc, hard: isHard(doc) });
export const comment = (text: string, gap: number, column = 0, first = 0): Doc => {
  return { kind: "comment", text, gap, column, first };
};

function isHard(doc: Doc): boolean {
  if (typeof doc === "string") return doc.includes("\n");
  if (isList(doc)) return doc.some(isHard);
  return "hard" in doc && doc.hard;
}

function isList(doc: Doc): doc is readonly Doc[] {
  return Array.isArray(doc);
}

/** A doc that is still to be printed, at an indentation, with its lines broken or not. */
type Task = readonly [indent: number, broken: boolean, doc: Doc];

/** Whether `doc` on one line, and what follows it up to the next possible break, fits `room`. */
function fits(doc: Doc, following: readonly Task[], room: number): boolean {
  const stack = [{ docs: [doc] as readonly Doc[], next: 0 }];
  let inside = true;
  let left = room;
  for (let after = following.length; left >= 0; ) {
    const top = stack.at(-1);
    if (top === undefined) {
      if (after === 0) return true;
      inside = false;
      stack.push({ docs: [following[--after]![2]], next: 0 });
    } else if (top.next === top.docs.length) {
      stack.pop();
    } else {
      const current = top.docs[top.next++]!;
      const end = typeof current === "string" ? current.indexOf("\n") : -1;
      if (end >= 0) return end <= left;
      if (typeof current === "string") left -= current.length;
      else if (isList(current)) stack.push({ docs: current, next: 0 });
      else if (current.kind === "token") left -= current.text.length;
      else if (current.kind === "line" && !inside) return true;
      else if (current.kind === "line") left -= current.flat.length;
      else if (current.kind !== "comment") stack.push({ docs: [current.doc], next: 0 });
    }
  }
  return false;
}

/** The text of a doc, without white space at the ends of lines. */
export function printDoc(doc: Doc, width: number): string {
  const tasks: Task[] = [[0, true, doc]];
  const lines: string[] = [];
  let text = "";
  let first: number | undefined;

  const write = (piece: string) => {
    const [head = "", ...more] = piece.split("\n");
    text += head;
    for (const next of more) {
      endLine();
      text = next;
    }
  };
  const endLine = () => {
    lines.push(text.trimEnd());
    text = "";
    first = undefined;
  };

  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    const [margin, broken, current] = task;
    if (typeof current === "string") write(current);
    else if (isList(current)) {
      for (const part of current.toReversed()) tasks.push([margin, broken, part]);
    } else if (current.kind === "token") {
      first ??= current.at;
      text += current.text;
    } else if (current.kind === "line" && !broken) text += current.flat;
    else if (current.kind === "line") {
      endLine();
      if (current.blank) lines.push("");
      text = " ".repeat(margin);
    } else if (current.kind === "indent") tasks.push([margin + current.by, broken, current.doc]);
    else if (current.kind === "group") {
      const flat = !broken || (!current.hard && fits(current.doc, tasks, width - text.length));
      tasks.push([margin, !flat, current.doc]);
    } else {
      const aligned = first === current.first ? current.column : 0;
      text = `${text.padEnd(Math.max(text.length + current.gap, aligned))}${current.text}`;
    }
  }
  endLine();
  return lines.join("\n");
}
