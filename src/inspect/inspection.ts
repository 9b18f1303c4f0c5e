/** What `graftc inspect` knows of a model, as the JSON of the command line has it. */
import type { Anatomy, Block, Linear, Part, Stack } from "../anatomy/anatomy.ts";
import { graftOf } from "../anatomy/index.ts";
import type { Model, Value } from "../ir/graph.ts";
import type { Dim, TensorType } from "../ir/types.ts";
import { flops, parameters } from "../measure/index.ts";
import { bytesRead } from "../onnx/index.ts";
import { type OwnParameters, ownParameters } from "./parameters.ts";

export interface Inspection {
  readonly model: {
    readonly path: string;
    readonly ir_version: number;
    readonly opsets: Readonly<Record<string, number>>;
    readonly producer: string;
    readonly nodes: number;
    readonly parameters: number;
    /** Of the model file and the data files that it refers to. */
    readonly bytes: number;
  };
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly stacks: readonly StackView[];
  /** Nodes with weights in no block and no known place outside of blocks. */
  readonly unplaced: number;
  readonly remarks: readonly string[];
}

/** An input or output; a symbolic size is its name, an unknown one null. */
export interface Port {
  readonly name: string;
  readonly type: string | null;
  /** As the file declares it, or inferred where it does not; a size without a name is null. */
  readonly shape: readonly Dim[] | null;
  /** As the runtime infers it. */
  readonly inferred: readonly Dim[] | null;
}

export interface StackView {
  readonly name: string;
  readonly width: number;
  readonly tokens: Dim;
  readonly heads: number | null;
  readonly grid: readonly [Dim, Dim] | null;
  readonly blocks: readonly BlockView[];
}

export interface BlockView {
  readonly index: number;
  readonly scope: string;
  readonly style: Block["style"];
  readonly nodes: number;
  readonly parameters: number;
  readonly parts: Readonly<Record<string, PartView>>;
  /** How many earlier points of the stream come in at its start. */
  readonly skips: number;
  /** Parts that stand there and cannot be selected, with the reason. */
  readonly refused: Readonly<Record<string, string>>;
  readonly opaque: string | null;
}

export interface PartView {
  /** `attention`, `mlp`, `layer_norm`, `rms_norm`, the operator that graftc placed, ... */
  readonly kind: string;
  readonly scope: string;
  readonly nodes: number;
  readonly parameters: number;
  /** Two for every multiply-add at batch 1. */
  readonly flops: number;
  readonly [detail: string]: unknown;
}

export interface Inspected {
  /** Its values have their types, as `anatomize` needs them. */
  readonly model: Model;
  readonly anatomy: Anatomy;
  /** What the file itself says of its inputs and outputs. */
  readonly declared: ReadonlyMap<Value, TensorType | null>;
  /** How many nodes the file's main graph has. */
  readonly nodes: number;
  /** How many calls of functions have become nodes since. */
  readonly inlined: number;
}

export function inspectionOf(subject: Inspected): Inspection {
  const { model, anatomy, declared, nodes, inlined } = subject;
  const portOf = (value: Value) => portView(value, declared.get(value));
  const own = ownParameters(anatomy);
  return {
    model: {
      path: model.path,
      ir_version: model.irVersion,
      opsets: Object.fromEntries(model.opsets),
      producer: [model.producer.name, model.producer.version].filter((text) => text).join(" "),
      nodes,
      parameters: parameters(model),
      bytes: bytesRead(model),
    },
    inputs: model.graph.inputs.filter((input) => !input.initializer).map(portOf),
    outputs: model.graph.outputs.map(portOf),
    stacks: anatomy.stacks.map((stack) => stackView(stack, model, own)),
    unplaced: anatomy.unplaced.length,
    remarks: [
      ...anatomy.remarks,
      ...(inlined > 0 ? [`${inlined} calls of its own functions are shown as their nodes`] : []),
    ],
  };
}

function portView({ name, type }: Value, declared: TensorType | null | undefined): Port {
  const inferred = type?.shape?.map((dim) => (/^\?/.test(String(dim)) ? null : dim)) ?? null;
  const shape = declared?.shape ?? inferred;
  return { name, type: type?.dtype ?? null, shape, inferred };
}

function stackView(stack: Stack, model: Model, own: OwnParameters): StackView {
  const { name, width, tokens, heads, grid, blocks } = stack;
  const views = blocks.map((block): BlockView => {
    const parts = [...block.parts.values()].map(
      (part) => [part.name, partView(part, model, own)] as const,
    );
    return {
      index: block.index,
      scope: block.scope,
      style: block.style,
      nodes: block.nodes.size,
      parameters: own.ofBlock(block),
      parts: Object.fromEntries(parts),
      skips: block.skips.length,
      refused: Object.fromEntries(block.refused),
      opaque: block.opaque,
    };
  });
  return { name, width, tokens, heads, grid, blocks: views };
}

function partView(part: Part, model: Model, own: OwnParameters): PartView {
  return {
    kind: placedBy(part) ?? kindOf(part),
    scope: part.scope,
    nodes: part.nodes.size,
    parameters: own.ofPart(part),
    flops: flops(model, part.nodes),
    ...detailsOf(part),
  };
}

/** The operator that graftc put there, where all of the part's nodes say the same. */
function placedBy({ nodes }: Part): string | null {
  const names = new Set([...nodes].map((node) => graftOf(node)?.operator ?? null));
  const [name, ...more] = names;
  return more.length > 0 ? null : (name ?? null);
}

function kindOf({ host }: Part): string {
  if (host.kind === "norm") return host.norm === "other" ? "norm" : host.norm;
  return host.kind === "other" ? host.what : host.kind;
}

function detailsOf({ host }: Part): Record<string, unknown> {
  switch (host.kind) {
    case "attention":
      return {
        heads: host.heads,
        kv_heads: host.kvHeads,
        head_dim: host.headDim,
        scale: host.scale,
        fused: host.qkv !== null,
        causal: host.causal,
        masked: host.masks.length > 0,
        rotated: host.rotation !== null,
        joint: host.joint !== null,
        cached: host.cache !== null,
        holds_mlp: host.holdsMlp,
        form: host.form,
        weights: weightsOf(host.q),
        opaque: host.opaque,
      };
    case "mlp":
      return {
        hidden: host.hidden,
        activation: host.activation,
        gated: host.gate !== null,
        fused: host.gate !== null && host.gate.weight === host.fc1.weight,
        weights: weightsOf(host.fc1),
        opaque: host.opaque,
      };
    case "norm":
      return { epsilon: host.epsilon };
    case "other":
      return { mixes_tokens: host.mixesTokens, opaque: host.opaque };
  }
}

/** How a projection is written: `MatMul [in, out]`. */
function weightsOf({ nodes, layout, weight }: Linear): string {
  const product = [...nodes].find((node) => /MatMul|Gemm|Conv|Einsum|Attention/.test(node.opType));
  const type = weight.initializer?.dtype ?? weight.type?.dtype;
  const stored = type && !/^b?float(16|32)$/.test(type) ? ` ${type}` : "";
  return `${product?.opType ?? "?"} [${layout.replace(",", ", ")}]${stored}`;
}
