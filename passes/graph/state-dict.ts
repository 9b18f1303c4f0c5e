/** Which initializer a name of a PyTorch state_dict means. */
import { isDotted, scopeOf } from "../../src/anatomy/scopes.ts";
import type { Model, Node, Use, Value } from "../../src/ir/graph.ts";
import type { AddedWeight } from "../session.ts";
import { storedBehind } from "./constants.ts";
import { modulationName, modulationTable } from "./modulation.ts";

export interface Slot {
  readonly value: Value;
  /** "in,out" where files, which are [out, in], have to be turned. */
  readonly layout: "in,out" | "out,in" | null;
  /** Whether it has PyTorch's own name, and so PyTorch's own layout, [in, out] or not. */
  readonly kept?: boolean;
  /** Where the module reads it that gives it this name. */
  readonly reads?: readonly Use[];
}

/**
 * Initializers by the names that they are stored under, and, where exporters lost those, by the
 * module that reads them: `blocks.0.attn.qkv.weight`. A name that two could have is nobody's.
 */
export function slotsOf(model: Model, added: readonly AddedWeight[]): Map<string, Slot> {
  const slots = new Map<string, Slot>();
  const doubled = new Set<string>();
  const layouts = layoutsOf(model.graph.nodes);
  const scopes = new Map(model.graph.nodes.map((node) => [node, scopeOf(node)]));
  const holders = new Set(
    [...scopes.values()].flatMap((path) => path.map((_, i) => path.slice(0, i).join("."))),
  );
  const offer = (name: string, value: Value, read?: Use) => {
    const known = slots.get(name);
    if (known && known.value !== value) doubled.add(name);
    const reads = [...(known?.reads ?? []), ...(read ? [read] : [])];
    slots.set(name, { value, layout: layouts.get(value) ?? null, reads });
  };
  for (const [node, path] of scopes) {
    const scope = path.join(".");
    const table = scope === "" ? null : modulationTable(node);
    if (table) offer(`${scope}.${modulationName}`, table);
    // What a module does between others is arithmetic of its own, and no layer.
    if (scope === "" || (holders.has(scope) && elementwise.has(node.op))) continue;
    for (const [tensor, value, index] of tensorsOf(node)) {
      offer(`${scope}.${tensor}`, value, { node, index });
    }
  }
  for (const name of doubled) slots.delete(name);
  // Exporters give matrices that they turn another name; what graftc adds is named as in PyTorch.
  const keepsNames = model.producer.name === "pytorch";
  for (const value of model.graph.initializers) {
    const kept = keepsNames && isDotted(value.name) && ![...value.uses].some(isGrafted);
    slots.set(value.name, { value, layout: layouts.get(value) ?? null, kept });
  }
  for (const { name, layout } of added) {
    const value = model.graph.values.get(name);
    if (value) slots.set(name, { value, layout });
  }
  return slots;
}

function isGrafted({ node }: Use): boolean {
  return node.metadata.get("graftc.edit") !== undefined;
}

/** How the matrices of linear layers lie, by who reads them. */
export function layoutsOf(nodes: Iterable<Node>): Map<Value, "in,out" | "out,in"> {
  const layouts = new Map<Value, "in,out" | "out,in">();
  for (const node of nodes) {
    const operand = node.inputs[1];
    const weight = operand ? storedBehind(operand) : null;
    if (!operand || weight?.initializer?.shape.length !== 2) continue;
    const swapped = swaps[node.op]?.(node);
    if (swapped === undefined) continue;
    const turned = operand !== weight && passesTranspose(operand);
    layouts.set(weight, swapped !== turned ? "out,in" : "in,out");
  }
  return layouts;
}

/** Products, and whether they read their second operand transposed. */
const swaps: Readonly<Record<string, (node: Node) => boolean>> = {
  MatMul: () => false,
  Gemm: (node) => node.int("transB") === 1,
  "com.microsoft::FusedMatMul": (node) => node.int("transB") === 1,
  "com.microsoft::FusedGemm": (node) => node.int("transB") === 1,
};

function passesTranspose(value: Value): boolean {
  const { producer } = value;
  if (!producer || value.initializer) return false;
  const behind = producer.inputs[0] ? passesTranspose(producer.inputs[0]) : false;
  return (producer.op === "Transpose") !== behind;
}

const elementwise: ReadonlySet<string> = new Set(["Add", "Mul"]);

type Named = readonly [tensor: string, value: Value, index: number];

/** The tensors of a module that a node reads. */
function tensorsOf(node: Node): Named[] {
  const at = (index: number, tensor: string): Named[] => {
    const operand = node.inputs[index];
    const value = operand ? storedBehind(operand) : null;
    return value?.initializer && value.initializer.shape.length > 0 ? [[tensor, value, index]] : [];
  };
  if (/^(Gemm|Conv|ConvTranspose|LayerNormalization|com\.microsoft::FusedGemm)$/.test(node.op)) {
    return [...at(1, "weight"), ...at(2, "bias")];
  }
  if (/^(MatMul|RMSNormalization|com\.microsoft::FusedMatMul)$/.test(node.op)) {
    return at(1, "weight");
  }
  if (node.op === "Gather") return at(0, "weight");
  if (node.op === "Add") return [...at(0, "bias"), ...at(1, "bias")];
  if (node.op === "Mul") return [...at(0, "weight"), ...at(1, "weight")];
  return [];
}
