import { basename } from "node:path";
import type { Model } from "../src/ir/graph.ts";
import type { Plan } from "../src/plan/plan.ts";

const key = "graftc.edits";

/**
 * Keeps the text of the edits in the model's metadata, behind that of earlier runs: the files one
 * after the other, each under its name, and the settings they were compiled with. No times and no
 * places of this machine, so that equal runs give equal bytes.
 */
export function recordEdits(model: Model, plan: Plan, seed: number): void {
  if (!plan.edits.length) return;
  const settings = [...plan.settings].map(([name, value]) => ` --set ${name}=${value}`).join("");
  const texts = plan.sources.map(({ path, text }) => `// ${basename(path)}\n${text.trimEnd()}\n`);
  const record = `// graftc --seed ${seed}${settings}\n${texts.join("\n")}`;
  const earlier = model.metadata.get(key);
  model.metadata.set(key, earlier === undefined ? record : `${earlier}\n${record}`);
}
