/** An anatomy made by hand, for tests of what needs no graph. */

import { parse } from "../../grammar/index.ts";
import type { Anatomy, Block, Linear, Part, Stack } from "../../src/anatomy/anatomy.ts";
import { Graph, type Model, Value } from "../../src/ir/graph.ts";
import { type LoadHost, loadProgram, type PlanOptions, planEdits } from "../../src/plan/index.ts";
import type { OperatorScope } from "../../src/plan/plan.ts";

const value = (name: string) => new Value(name);

function linear(out: number, width: number): Linear {
  return {
    weight: value("w"),
    layout: "in,out",
    bias: null,
    biasInput: null,
    rows: [0, out],
    order: null,
    biasRows: [0, out],
    in: width,
    out,
    alpha: 1,
    opaque: null,
    nodes: new Set(),
  };
}

export function attention(name: string, scope: string, width = 8): Part {
  const each = linear(width, width);
  return {
    name,
    scope,
    nodes: new Set(),
    x: value("x"),
    context: null,
    contextOrder: "B,N,D",
    joined: null,
    keeps: null,
    outputs: [value("y")],
    host: {
      kind: "attention",
      q: each,
      k: each,
      v: each,
      out: each,
      qkv: null,
      heads: 2,
      kvHeads: 2,
      headDim: width / 2,
      scale: 1,
      causal: false,
      onlyCausal: false,
      triangular: false,
      masks: [],
      rotation: null,
      joint: null,
      cache: null,
      holdsMlp: false,
      guarded: false,
      form: "decomposed",
      opaque: null,
    },
  };
}

export function mlp(name: string, scope: string, width = 8): Part {
  return {
    name,
    scope,
    nodes: new Set(),
    x: value("x"),
    context: null,
    contextOrder: "B,N,D",
    joined: null,
    keeps: null,
    outputs: [value("y")],
    host: {
      kind: "mlp",
      fc1: linear(4 * width, width),
      fc2: linear(width, 4 * width),
      gate: null,
      hidden: 4 * width,
      activation: "gelu",
      opaque: null,
    },
  };
}

export function norm(name: string, scope: string): Part {
  return {
    name,
    scope,
    nodes: new Set(),
    x: value("x"),
    context: null,
    contextOrder: "B,N,D",
    joined: null,
    keeps: null,
    outputs: [value("y")],
    host: {
      kind: "norm",
      norm: "layer_norm",
      weight: null,
      bias: null,
      epsilon: 1e-6,
    },
  };
}

export type MakePart = (scope: string) => Part;

export const usual: readonly MakePart[] = [
  (scope) => attention("attn", `${scope}.attn`),
  (scope) => mlp("mlp", `${scope}.mlp`),
  (scope) => norm("norm1", `${scope}.norm1`),
  (scope) => norm("norm2", `${scope}.norm2`),
];

export function stack(
  name: string,
  count: number,
  parts: (index: number) => readonly MakePart[] = () => usual,
  scopeOf: (index: number) => string = (index) => `${name}.${index}`,
): Stack {
  const blocks = Array.from({ length: count }, (_, index): Block => {
    const made = parts(index).map((make) => make(scopeOf(index)));
    return {
      index,
      scope: scopeOf(index),
      prefix: scopeOf(index) || `${name}.${index}`,
      input: value(`x${index}`),
      output: value(`x${index + 1}`),
      context: null,
      parts: new Map(made.map((part) => [part.name, part])),
      nodes: new Set(),
      style: "pre-norm",
      refused: new Map(),
      fused: new Set(),
      skips: [],
      opaque: null,
    };
  });
  return { name, width: 8, tokens: 16, order: "B,N,D", heads: 2, grid: null, blocks };
}

export function anatomy(...stacks: Stack[]): Anatomy {
  return { stacks, unplaced: [], remarks: [] };
}

export function model(path = "dit.onnx"): Model {
  return {
    irVersion: 8,
    opsets: new Map([["", 20]]),
    producer: { name: "", version: "" },
    graph: new Graph("main"),
    functions: new Map(),
    metadata: new Map(),
    path,
    origin: null,
  };
}

const library = `
operator hyena_x(kernel: int = 4) for attn { return x }
operator mlp(ratio: float = 4) for mlp { return x }
operator two_streams(heads: int) for attn { return x, context }
operator flags(on: bool = true, along: string = "features", rate: float = 1) for attn { return x }
operator helper(other: tensor) { return x + other }
`;

/** Stands in for the built-in operators, so that these tests do not depend on which there are. */
export function builtins(): OperatorScope {
  const { file } = parse({ path: "library.graft", text: library });
  const operators = new Map(
    file.statements.flatMap((s) => (s.kind === "operator" ? [[s.name.name, s] as const] : [])),
  );
  const scope: OperatorScope = { operators, params: new Map(), scopeOf: () => scope };
  return scope;
}

/** Files by path. */
export function hostOf(files: Readonly<Record<string, string>>): LoadHost {
  return {
    readText(path) {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error(`no ${path}`), { code: "ENOENT" });
      return text;
    },
    parse,
    builtins: builtins(),
  };
}

export function load(text: string, settings: Readonly<Record<string, string>> = {}) {
  const host = hostOf({ "slim.graft": text });
  return loadProgram(["slim.graft"], new Map(Object.entries(settings)), host);
}

export function plan(
  text: string,
  body: Anatomy,
  options: Partial<PlanOptions> & { settings?: Record<string, string> } = {},
) {
  const { program, diagnostics } = load(text, options.settings);
  if (!program) return { plan: null, diagnostics, explanations: [] };
  return planEdits(program, model(), body, { sha256: () => "0".repeat(64), ...options });
}

/** `blocks[1].attn` ... of the only edit. */
export function sitesOf(
  selection: string,
  body: Anatomy,
  options?: Partial<PlanOptions>,
): string[] {
  const { plan: made, diagnostics } = plan(`remove ${selection} optional`, body, options);
  if (!made) throw new Error(diagnostics.map((d) => d.message).join("\n"));
  return made.edits[0]!.sites.map((site) => site.label);
}

/** `code: message` of every diagnostic. */
export function said(diagnostics: readonly { code: string; message: string }[]): string[] {
  return diagnostics.map(({ code, message }) => `${code}: ${message}`);
}
