/** Where edits go, as far as names and numbers tell: rules that need no graph. */
import type * as ast from "../../grammar/ast.ts";
import { fail } from "../diag/diagnostic.ts";
import type { Site } from "./plan.ts";

export interface Spot {
  /** `blocks[1].attn` */
  readonly label: string;
  readonly stack: string;
  readonly index: number;
  /** null: the whole block. */
  readonly part: string | null;
}

export function spotOf({ label, stack, block, part }: Site): Spot {
  return { label, stack: stack.name, index: block.index, part: part?.name ?? null };
}

/** What `resize ... to` may name, and the kind of host that has it. */
export const resized = { ratio: "mlp", hidden: "mlp", heads: "attention" } as const;
export type Quantity = keyof typeof resized;
export const quantities = Object.keys(resized) as Quantity[];

const nouns = { mlp: "an MLP", attention: "an attention" } as const;

export function resizeMisfit(
  { target }: ast.Resize,
  quantity: Quantity,
  { label, part }: Pick<Spot, "label" | "part">,
) {
  const of = resized[quantity];
  const hint = part ? null : `name the part: \`.${of === "mlp" ? "mlp" : "attn"}\``;
  return fail("resize-misfit", { quantity, noun: nouns[of], label }, { at: target.span, hint });
}

/** @throws GraftError for a part. */
export function wholeBlocks(
  statement: ast.Parallelize | ast.Repeat,
  spots: readonly Pick<Spot, "label" | "part">[],
): void {
  const spot = spots.find(({ part }) => part);
  if (!spot) return;
  const whole = spot.label.slice(0, -`.${spot.part}`.length);
  throw fail(
    "needs-whole-blocks",
    { verb: statement.kind, label: spot.label },
    { at: statement.target.span, hint: `\`${whole}\` is the whole block` },
  );
}

/** Neighbours in the order of the stack: the first with the second, the third with the fourth. */
export function pairsOf<T>(
  { target: { span: at } }: ast.Parallelize,
  sites: readonly T[],
  spotOf: (site: T) => Spot,
): [T, T][] {
  const labels = sites.map((site) => spotOf(site).label).join(", ");
  if (sites.length % 2) {
    throw fail("odd-pairs", { count: sites.length }, { at, notes: [`selected: ${labels}`] });
  }
  const pairs: [T, T][] = [];
  for (let i = 0; i < sites.length; i += 2) pairs.push([sites[i]!, sites[i + 1]!]);
  for (const pair of pairs) {
    const [a, b] = pair.map(spotOf) as [Spot, Spot];
    if (a.stack === b.stack && b.index === a.index + 1) continue;
    const notes = [`pairs are taken in the order of the stack: ${labels}`];
    throw fail("pair-apart", { first: a.label, second: b.label }, { at, notes });
  }
  return pairs;
}
