/** Whether a run of operations lets tokens meet: follows the token axis from its start to its end. */
import { normalAxis } from "../onnx-ops/op.ts";
import type { Constants } from "./constants.ts";
import type { Op, Wire } from "./flow.ts";
import { carry, identityLayout, isLayoutOp, type Layout } from "./layout.ts";
import type { LinearMap, Linears } from "./linears.ts";
import { axesAt, fusedOf } from "./products.ts";

const reductions =
  /^(Reduce\w+|Softmax|LogSoftmax|CumSum|CumProd|ArgMax|ArgMin|TopK|LpNormalization|Hardmax)$/;
/** One value in, the same places out: features may be halved, scaled or rounded. */
const whole = /^(SplitGelu|BatchNormalization|DynamicQuantizeLinear)$/;
const pointwise =
  /^(Add|Sub|Mul|Div|Pow|Neg|Abs|Sqrt|Exp|Log|Erf|Tanh|Sigmoid|Relu|LeakyRelu|Elu|Selu|Celu|HardSigmoid|HardSwish|Softplus|Softsign|Mish|Gelu|FastGelu|QuickGelu|Swish|Clip|Min|Max|Where|Greater|Less|GreaterOrEqual|LessOrEqual|Equal|Not|And|Or|IsNaN|IsInf|Cast|CastLike|Identity|Dropout|Reciprocal|Sin|Cos|Floor|Ceil|Round|Sign|PRelu|ThresholdedRelu|Mod)$/;

/** The same places out, each made of what stood there. */
export function isPointwise({ type }: Op): boolean {
  return pointwise.test(type);
}

/**
 * `tokens`: some operation combines several positions of the token axis. `features`: none does.
 * `unknown`: the axis was lost in an operation that is not understood.
 */
export type Mixing = "tokens" | "features" | "unknown";

export function mixingOf(
  x: Wire,
  ops: readonly Op[],
  linears: Linears,
  constants: Constants,
): Mixing {
  const start = identityLayout(x);
  if (!start) return "unknown";
  const rank = start.axes.length;
  const isToken = (axis: number) => axis >= 0 && axis < rank - 1 && (axis > 0 || rank === 2);
  const known = new Map<Wire, Layout>([[x, start]]);
  for (const op of ops) {
    const found = meets({ op, known, isToken, linears, constants });
    if (found !== "features") return found;
  }
  return "features";
}

interface Scene {
  readonly op: Op;
  /** Layouts over the start's axes; filled in for the outputs of `op`. */
  readonly known: Map<Wire, Layout>;
  readonly isToken: (axis: number) => boolean;
  readonly linears: Linears;
  readonly constants: Constants;
}

function meets(scene: Scene): Mixing {
  const { op, known, linears } = scene;
  const inputs = op.inputs.flatMap((wire) => (wire && known.get(wire)) ?? []);
  // Bodies of a node read the graph around it, past its inputs.
  const read = op.data.some((wire) => known.has(wire));
  if (inputs.length === 0) return read ? "unknown" : "features";
  const layout = inputs[0]!;
  const map = linears.byOp.get(op);
  if (map && op === map.op) return throughLinear(layout, map, scene);
  if (pointwise.test(op.type)) return throughPointwise(inputs, scene);
  if (isLayoutOp(op)) return throughLayout(layout, scene);
  if (op.type === "Concat") return along(layout, op.node.int("axis") ?? 0, scene, true);
  if (reductions.test(op.type)) return throughReduction(layout, scene);
  if (op.type === "LayerNormalization" || op.type === "RMSNormalization") {
    const from = op.node.int("axis") ?? -1;
    const first = from < 0 ? from + layout.axes.length : from;
    const axes = layout.axes.slice(first).flat();
    if (axes.some((digit) => scene.isToken(digit.axis))) return "tokens";
    return pass(layout, scene);
  }
  if (op.type === "Conv") return throughConv(layout, scene);
  if (op.type === "MatMul" || op.type === "FusedMatMul") return throughProduct(scene);
  if (whole.test(op.type)) return pass(layout, scene);
  return "unknown";
}

function pass(layout: Layout, { op, known }: Scene): Mixing {
  for (const wire of op.outputs) if (wire) known.set(wire, layout);
  return "features";
}

function holdsTokens(layout: Layout, axis: number, { isToken }: Scene): boolean {
  const digits = layout.axes.at(axis) ?? [];
  return digits.some((digit) => isToken(digit.axis));
}

/** The features of the output are new: they stand for no axis of the start. */
function throughLinear(layout: Layout, map: LinearMap, scene: Scene): Mixing {
  if (map.split || map.axesRead > 1) return throughSplit(layout, map, scene);
  if (holdsTokens(layout, map.featureAxis, scene)) return "tokens";
  const at = layout.axes.length + map.featureAxis;
  const axes = layout.axes.map((digits, i) =>
    i === at ? [{ axis: -1, size: map.out, stride: 1 }] : digits,
  );
  return pass({ ...layout, axes }, scene);
}

function throughSplit(layout: Layout, { split, out, axesRead }: LinearMap, scene: Scene): Mixing {
  const read = layout.axes.slice(-axesRead).flat();
  if (read.some((digit) => scene.isToken(digit.axis))) return "tokens";
  const made = (split ?? [out]).map((size) => [{ axis: -1, size, stride: 1 }]);
  return pass({ ...layout, axes: [...layout.axes.slice(0, -axesRead), ...made] }, scene);
}

/** Operands must have their tokens on the same axes, counted from the end. */
function throughPointwise(inputs: readonly Layout[], scene: Scene): Mixing {
  const rank = Math.max(...inputs.map((layout) => layout.axes.length));
  const aligned = inputs.map((layout) =>
    Array.from({ length: rank }, (_, i) => layout.axes[i - rank + layout.axes.length] ?? []),
  );
  const axes = Array.from({ length: rank }, (_, i) => {
    const column = aligned.map((axes) => axes[i]!);
    return (
      column.find((digits) => digits.some((d) => scene.isToken(d.axis))) ??
      column.find((d) => d.length > 0) ??
      []
    );
  });
  const spread = aligned.some((axes) =>
    axes.every((digits) => digits.every((digit) => !scene.isToken(digit.axis))),
  );
  const holds = axes.some((digits) => digits.some((digit) => scene.isToken(digit.axis)));
  if (spread && holds) return "tokens";
  const places = (list: readonly (readonly { axis: number }[])[]) =>
    list.map((digits) => digits.some((digit) => scene.isToken(digit.axis))).join();
  if (new Set(aligned.map(places)).size > 1) return "tokens";
  return pass({ axes, offsets: new Map() }, scene);
}

function throughLayout(layout: Layout, scene: Scene): Mixing {
  const { op, known, constants, isToken } = scene;
  for (const wire of op.outputs) {
    if (!wire) continue;
    const carried = carry(layout, op, wire, constants);
    if (!carried) return "unknown";
    const before = layout.axes.flat().filter((digit) => isToken(digit.axis));
    const after = carried.axes.flat().filter((digit) => isToken(digit.axis));
    const moved = [...carried.offsets].some(([axis]) => isToken(axis));
    const lost = after.some((digit) => digit.stride === null) || after.length < before.length;
    if (op.type !== "Reshape" && (moved || lost)) return "tokens";
    known.set(wire, carried);
  }
  return "features";
}

/** Joining, shifting or summing along an axis that holds tokens mixes them. */
function along(layout: Layout, axis: number, scene: Scene, keeps: boolean): Mixing {
  if (holdsTokens(layout, axis, scene)) return "tokens";
  return keeps ? pass(layout, scene) : "features";
}

function throughReduction(layout: Layout, scene: Scene): Mixing {
  const { op, known, constants } = scene;
  const rank = layout.axes.length;
  const single = op.type.startsWith("Reduce")
    ? null
    : (op.node.int("axis") ?? constants.scalar(op.inputs[1]) ?? -1);
  const axes =
    single === null
      ? (op.node.ints("axes") ?? constants.known(op.inputs[1]) ?? [...layout.axes.keys()])
      : [single];
  if (axes.some((axis) => holdsTokens(layout, axis, scene))) return "tokens";
  const reduced = axes.map((axis) => normalAxis(axis, rank));
  const drops = op.type.startsWith("Reduce") && op.node.int("keepdims") === 0;
  const kept = layout.axes.flatMap((digits, i) => {
    if (single !== null || !reduced.includes(i)) return [digits];
    return drops ? [] : [[]];
  });
  for (const wire of op.outputs) if (wire) known.set(wire, { ...layout, axes: kept });
  return "features";
}

/** Kernels of more than one element reach along their axis; groups keep channels apart. */
function throughConv(layout: Layout, scene: Scene): Mixing {
  const { op, linears } = scene;
  const kernel = op.node.ints("kernel_shape") ?? op.inputs[1]?.value?.type?.shape?.slice(2) ?? [];
  const wide = kernel.map((size, i) => (size === 1 ? -1 : i + 2)).filter((axis) => axis >= 0);
  if (wide.some((axis) => holdsTokens(layout, axis, scene))) return "tokens";
  const channels = op.inputs[1]?.value?.type?.shape?.[1];
  if (channels !== 1 && !linears.byOp.has(op) && holdsTokens(layout, 1, scene)) return "tokens";
  return pass(layout, scene);
}

/** The layout of a factor with its axes as the product has them: [.., rows, columns]. */
function factor({ op, known }: Scene, input: 0 | 1): Layout | undefined {
  const wire = op.inputs[input];
  const layout = wire ? known.get(wire) : undefined;
  const side = input === 0 ? "A" : "B";
  const axes = layout && axesAt(op, side, fusedOf(op).flag(`trans${side}`));
  return axes ? { ...layout, axes: axes.map((axis) => layout.axes[axis] ?? []) } : layout;
}

/** Of two data operands: tokens may only be batch axes, or rows of the left one alone. */
function throughProduct(scene: Scene): Mixing {
  const [a, b] = [factor(scene, 0), factor(scene, 1)];
  if (a && holdsTokens(a, -1, scene)) return "tokens";
  if (b && (holdsTokens(b, -2, scene) || holdsTokens(b, -1, scene))) return "tokens";
  if (!a) return b ? pass(b, scene) : "features";
  return pass(a, scene);
}
