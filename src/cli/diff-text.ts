/** A diff as people read it: places that changed alike share a paragraph. */
import type { Diff, DiffGroup, DiffItem } from "../diff/index.ts";
import type { Colors } from "./shell.ts";
import { collapseSites } from "./sites.ts";

export function diffText({ same, groups }: Diff, colors: Colors): string {
  if (same) return "no difference but names";
  const alike = new Map<string, DiffGroup[]>();
  for (const group of groups) {
    const key = bodyOf(group, colors).join("\n") + (group.edit ?? "");
    alike.set(key, [...(alike.get(key) ?? []), group]);
  }
  return [...alike.values()]
    .map((members) => {
      const [first] = members as [DiffGroup];
      const where = colors.bold(collapseSites(members.map((group) => group.where)));
      const edit = first.edit ? colors.dim(`  ${first.edit}`) : "";
      return [`${where}${edit}`, ...bodyOf(first, colors)].join("\n");
    })
    .join("\n\n");
}

function bodyOf({ where, added, removed, changed }: DiffGroup, colors: Colors): string[] {
  return [
    ...itemLines(removed, where).map((line) => colors.red(`  - ${line}`)),
    ...itemLines(added, where).map((line) => colors.green(`  + ${line}`)),
    ...changed.map((line) => colors.yellow(`  ~ ${withoutIndex(line, where)}`)),
  ];
}

/** Nodes as one line of operators, weights and the rest one by one. */
function itemLines(items: readonly DiffItem[], where: string): string[] {
  const counts = new Map<string, number>();
  for (const { kind, text } of items) {
    const op = text.split(" ", 1)[0]!;
    if (kind === "node") counts.set(op, (counts.get(op) ?? 0) + 1);
  }
  const ops = [...counts].map(([op, count]) => (count === 1 ? op : `${count} ${op}`));
  const others = items.filter(({ kind }) => kind !== "node");
  return [
    ...(ops.length > 0 ? [ops.join(", ")] : []),
    ...others.map(({ text }) => withoutIndex(text, where)),
  ];
}

/** `blocks.1.attn.x` in `blocks[1].attn` is `blocks.*.attn.x`, so that alike places look alike. */
function withoutIndex(text: string, where: string): string {
  const index = /\[(\d+)\]/.exec(where)?.[1];
  return index === undefined ? text : text.replace(new RegExp(`(?<=\\.)${index}(?=\\.)`), "*");
}
