/** Models with random weights, for `graftc new`. */
import { fail } from "../diag/diagnostic.ts";
import { nearest } from "../diag/suggest.ts";
import type { Model } from "../ir/graph.ts";
import { blankModel, declareOutput } from "../onnx-ops/blank-model.ts";
import { Patch } from "../onnx-ops/patch.ts";
import { dit } from "./dit.ts";
import { pixart } from "./pixart.ts";
import type { Recipe, Size } from "./recipe.ts";

interface Preset {
  readonly recipe: Recipe;
  readonly size: Size;
}

/** Sizes of Peebles & Xie 2023, table 1, and of PixArt-Sigma-XL-2-1024-MS. */
const presets: Readonly<Record<string, Preset>> = {
  "dit-s/2": { recipe: dit, size: { width: 384, depth: 12, heads: 6, side: 16, patch: 2 } },
  "dit-b/2": { recipe: dit, size: { width: 768, depth: 12, heads: 12, side: 16, patch: 2 } },
  "dit-l/2": { recipe: dit, size: { width: 1024, depth: 24, heads: 16, side: 16, patch: 2 } },
  "dit-xl/2": { recipe: dit, size: { width: 1152, depth: 28, heads: 16, side: 16, patch: 2 } },
  "pixart-sigma": {
    recipe: pixart,
    size: { width: 1152, depth: 28, heads: 16, side: 64, patch: 2 },
  },
};

export const presetNames: readonly string[] = Object.keys(presets);

export interface PresetOptions {
  /** Blocks. */
  readonly depth?: number;
  /** Width of the residual stream. */
  readonly width?: number;
  readonly heads?: number;
  /** A square number. */
  readonly tokens?: number;
  /** The same seed gives the same bytes; 0 unless said. */
  readonly seed?: number;
  /** What the model says of who made it; graftc, of no version, unless said. */
  readonly producer?: Model["producer"];
}

/**
 * A model of the preset's architecture, opset 20, float32, batch `batch`. Its weights are drawn
 * while they are written, one at a time, each from a stream of its own.
 * @param path where it will be written
 * @throws GraftError for an unknown preset, or sizes that do not fit each other.
 */
export function createPreset(name: string, path: string, options: PresetOptions = {}): Model {
  const preset = presets[name.toLowerCase()];
  if (!preset) {
    const near = nearest(name, presetNames);
    const notes = [`there are ${presetNames.join(", ")}`];
    throw fail(
      "unknown-preset",
      { preset: name },
      { hint: near && `did you mean \`${near}\`?`, notes },
    );
  }
  const size = sizeOf(name, preset.size, options);
  const { recipe } = preset;
  const { producer = { name: "graftc", version: "" }, seed = 0 } = options;
  const inputs = recipe.inputs(size);
  const model = blankModel({ path, opset: 20, irVersion: 10, producer, inputs });
  const patch = new Patch(model.graph, null, "");
  const output = recipe.grow({ patch, seed, path: "" }, model.graph.inputs, size);
  patch.commit();
  const { name: outputName, type } = recipe.output(size);
  declareOutput(model, output, outputName, type);
  return model;
}

/** Beyond any model; what is more is a slip that would fill memory or a disk. */
const mostBlocks = 10_000;
/** A block has more than 12 times its width squared. */
const mostWeights = 1e12;

function sizeOf(preset: string, size: Size, options: PresetOptions): Size {
  const { width = size.width, depth = size.depth, tokens = size.side ** 2 } = options;
  const heads = options.heads ?? size.heads;
  const wrong = (flag: string, value: number, why: string) =>
    fail("preset-size", { flag, value, preset, why });
  const side = Math.sqrt(tokens);
  if (!Number.isInteger(side)) {
    throw wrong("--tokens", tokens, "tokens are the patches of a square image, so a square number");
  }
  if (width % 4 !== 0) {
    throw wrong(
      "--width",
      width,
      "positions are sines and cosines of rows and columns, so a multiple of 4",
    );
  }
  if (width % heads !== 0) {
    const flag = options.heads === undefined ? "--width" : "--heads";
    throw wrong(flag, options.heads ?? width, `width ${width} is not a multiple of ${heads} heads`);
  }
  if (depth > mostBlocks) throw wrong("--depth", depth, `${mostBlocks} blocks at most`);
  if (depth * width ** 2 > mostWeights) {
    const flag = options.width === undefined ? "--depth" : "--width";
    throw wrong(flag, options.width ?? depth, "such a model has over 10^13 parameters");
  }
  return { width, depth, heads, side, patch: size.patch };
}
