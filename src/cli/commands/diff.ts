/** `graftc diff A B` */
import type { Diff, DiffItem } from "../../diff/index.ts";
import { diff as diffFiles } from "../../views.ts";
import { diffText } from "../diff-text.ts";
import type { Command } from "../outcome.ts";

interface Given {
  readonly a: string;
  readonly b: string;
}

export const diff: Command<Given> = {
  trouble: 2,
  failed: () => ({ same: null, groups: [] }),
  async run({ a, b }, { colors, signal }) {
    const result = await diffFiles(a, b, signal);
    return { code: result.same ? 0 : 1, json: diffJson(result), text: diffText(result, colors) };
  },
};

function diffJson({ same, groups }: Diff) {
  const texts = (items: readonly DiffItem[]) => items.map(({ text }) => text);
  return {
    same,
    groups: groups.map(({ where, added, removed, changed, edit }) => ({
      where,
      added: texts(added),
      removed: texts(removed),
      changed: texts(changed),
      edit,
    })),
  };
}
