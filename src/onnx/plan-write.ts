/** What a model becomes in files, and how large, before any of it is written. */
import { fail } from "../diag/diagnostic.ts";
import type { Model } from "../ir/graph.ts";
import { encodeModel, largestMessage } from "./encode-model.ts";
import type { Known } from "./encode-node.ts";
import { allInline, type Layout, planLayout } from "./layout.ts";
import { originOf } from "./origin.ts";
import type { Rope } from "./rope.ts";
import { type External, planTargets, refuseOut, type Targets } from "./targets.ts";

export interface WritePlan {
  readonly layout: Layout;
  /** The model file. */
  readonly rope: Rope;
  readonly known: Known;
}

/** Where the model does not fit into its file, weights go to a data file whatever was asked for. */
export function planWrite(
  model: Model,
  targets: Targets,
  external: External,
  out: string,
): WritePlan {
  const hasData = originOf.model(model).dataFiles.length > 0;
  const inline = external === "inline" || (!hasData && external !== "file");
  const ways: (() => Layout)[] = [
    () => (inline ? allInline : planLayout(model, targets, external)),
    () => planLayout(model, targets, "file"),
  ];
  const known: Known = { nodes: new Map(), weights: new Map() };
  for (const way of ways) {
    const layout = way();
    const rope = encodeModel(model, layout.home, { known });
    if (rope.length <= largestMessage) return { layout, rope, known };
  }
  throw fail("model-too-large", { out });
}

export function sizeOf({ layout, rope }: Pick<WritePlan, "layout" | "rope">): number {
  return rope.length + layout.dataBytes;
}

/**
 * The size that a model will have as files: the model file and all data that it refers to.
 * @param out null: in the place of the input.
 * @throws GraftError where it cannot be written so.
 */
export function writtenBytes(
  model: Model,
  out: string | null,
  external: External = "auto",
): number {
  if (out !== null) refuseOut(out);
  const path = out ?? model.path;
  return sizeOf(planWrite(model, planTargets(model, path, external), external, path));
}

/** The files that a model was read from: its own first, then all data that it refers to. */
export function filesOf(model: Model): string[] {
  return [model.path, ...originOf.model(model).dataFiles.map(({ file }) => file.path)];
}

/** The size of the files that a model was read from: its own, and all data that it refers to. */
export function bytesRead(model: Model): number {
  const { source, dataFiles } = originOf.model(model);
  return dataFiles.reduce((sum, { file }) => sum + file.size, source.size);
}
