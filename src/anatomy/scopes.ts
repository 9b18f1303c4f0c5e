/** Module paths that exporters leave behind. Evidence for labels, never a condition. */
import type { Node } from "../ir/graph.ts";

/** Steps of the module path that a node comes from; empty where nothing is known. */
export function scopeOf(node: Node): readonly string[] {
  const listed = node.metadata.get("pkg.torch.onnx.name_scopes");
  if (listed) return fromScopeList(listed);
  const weights = fromWeights(node);
  if (!node.name.includes("/")) return weights;
  // TorchScript leaves out modules that are not called, containers of the others.
  return aligned([weights, fromName(node.name)])[1]!;
}

/** `['', 'blocks.1', 'blocks.1.attn', 'linear_8']`: the last entry is the operator, not a module. */
function fromScopeList(text: string): string[] {
  const entries = [...text.matchAll(/'([^']*)'|"([^"]*)"/g)].map(
    (match) => match[1] ?? match[2] ?? "",
  );
  return split(entries.slice(0, -1).findLast((entry) => entry !== "") ?? "");
}

/**
 * `/blocks.1/mlp/act/Mul`. A module in a Sequential repeats its parent: `/net/net.0/Gemm` is net.0.
 */
function fromName(name: string): string[] {
  const parts = name
    .split("/")
    .slice(0, -1)
    .filter((part) => part !== "");
  const path: string[] = [];
  for (const part of parts) {
    const before = path.at(-1);
    if (before !== undefined && part.startsWith(`${before}.`)) path.pop();
    path.push(part);
  }
  return path.flatMap(split);
}

/**
 * `blocks.1.attn.qkv.bias` is a tensor of the module blocks.1.attn.qkv. Exporters that turn a weight
 * around leave the name to the bias alone, which is added to the product.
 */
function fromWeights(node: Node): string[] {
  const [sum, ...others] = node.op === "MatMul" ? (node.outputs[0]?.uses ?? []) : [];
  const reads = sum?.node.op === "Add" && others.length === 0 ? sum.node.inputs : [];
  for (const value of [...node.inputs, ...reads]) {
    if (!value?.initializer || !isDotted(value.name)) continue;
    return split(value.name).slice(0, -1);
  }
  return [];
}

function split(path: string): string[] {
  return path.split(".").filter((step) => step !== "");
}

/** The longest path that all of these begin with; those without any evidence are left out. */
export function sharedScope(paths: Iterable<readonly string[]>): string[] {
  let shared: readonly string[] | null = null;
  for (const path of aligned([...paths])) {
    if (path.length === 0) continue;
    if (!shared) {
      shared = path;
      continue;
    }
    let i = 0;
    while (i < shared.length && shared[i] === path[i]) i++;
    shared = shared.slice(0, i);
  }
  return [...(shared ?? [])];
}

/** Paths that begin two steps or more within another of them begin where that does. */
export function aligned(paths: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const longer = paths.find((path) => paths.some((other) => stepsBefore(other, path) > 0));
  if (!longer) return paths;
  return paths.map((path) => [...longer.slice(0, Math.max(0, stepsBefore(path, longer))), ...path]);
}

function stepsBefore([first, second]: readonly string[], path: readonly string[]): number {
  if (second === undefined) return -1;
  return path.findIndex((step, i) => step === first && path[i + 1] === second);
}

/**
 * The paths of a stack's blocks, cut behind the index that tells them apart: blocks that share more
 * (`encoder.block.0.layer`) end where they differ, and copies that `repeat` made keep the step that
 * tells them apart (`blocks.1.copy1`). Without such an index each keeps its own path.
 */
export function blockScopes(paths: readonly (readonly string[])[]): string[] {
  const indexed = paths.map((path) => path.findLastIndex(isIndex));
  const at = paths.length > 1 ? differingStep(paths) : indexed[0]!;
  return paths.map((path, i) => {
    const index = at >= 0 && isIndex(path[at]) ? at : indexed[i]!;
    return path.slice(0, index >= 0 ? blockEnd(path, index) : path.length).join(".");
  });
}

/** Whether a step of a path counts modules. */
export function isIndex(step: string | undefined): boolean {
  return step !== undefined && /^\d+$/.test(step);
}

/** How many steps of a path lead to a block whose index stands `at` there: copies have one more. */
export function blockEnd(path: readonly string[], at: number): number {
  return /^copy\d+$/.test(path[at + 1] ?? "") ? at + 2 : at + 1;
}

/** The first step in which the paths of two blocks differ by an index; -1 where there is none. */
function differingStep(paths: readonly (readonly string[])[]): number {
  const [first, ...others] = paths;
  for (const other of others) {
    const at = first!.findIndex((step, i) => step !== other[i]);
    if (at >= 0 && isIndex(first![at]) && isIndex(other[at])) return at;
  }
  return -1;
}

/** Whether a name is a path of PyTorch modules, `blocks.0.attn.qkv.bias`, and not an exporter's own. */
export function isDotted(name: string): boolean {
  return /^[A-Za-z_]\w*(\.\w+)+$/.test(name);
}
