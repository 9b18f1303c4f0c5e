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

function bodyOf({ added, removed, changed }: DiffGroup, colors: Colors): string[] {
  return [
    ...itemLines(removed).map((line) => colors.red(`  - ${line}`)),
    ...itemLines(added).map((line) => colors.green(`  + ${line}`)),
    ...itemLines(changed).map((line) => colors.yellow(`  ~ ${line}`)),
  ];
}

/** Nodes as one line of operators, the rest one by one, each text once. */
function itemLines(items: readonly DiffItem[]): string[] {
  const counts = new Map<string, number>();
  for (const { kind, brief } of items) {
    if (kind === "node") counts.set(brief, (counts.get(brief) ?? 0) + 1);
  }
  const ops = [...counts].map(([op, count]) => (count === 1 ? op : `${count} ${op}`));
  const others = items.filter(({ kind }) => kind !== "node").map(({ brief }) => brief);
  return [...(ops.length > 0 ? [ops.join(", ")] : []), ...new Set(others)];
}
