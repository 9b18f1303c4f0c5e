/** One question to ONNX Runtime: which types has every value of this scene at these sizes? */
import type { Node, Value } from "../../src/ir/graph.ts";
import type { Dim, DType } from "../../src/ir/types.ts";
import { encodeProbe } from "../../src/onnx/index.ts";
import { lightly, ort, reasonOf } from "../session/ort.ts";
import { correct } from "./corrections.ts";
import type { Scene } from "./scene.ts";
import { segmentLength, segmentsOf } from "./segments.ts";
import { withStandIns } from "./stand-ins.ts";
import { concrete, type Sizes } from "./symbols.ts";

export interface Measured {
  readonly dtype: DType;
  /** null: of unknown rank. Unknown sizes are null; names stand where `sizes` gave no number. */
  readonly shape: readonly Dim[] | null;
}

/** ONNX Runtime does not load the probe. */
export class Refusal extends Error {}

/** The highest version of the format that it reads. The probe uses nothing of a later one. */
const newestIr = 13;

/**
 * Types of everything that the scene's nodes make. Nothing is computed but small constants.
 * @throws Refusal where operators are unknown or shapes do not meet.
 */
export async function probe(
  scene: Scene,
  sizes: Sizes,
  length = segmentLength(scene),
): Promise<Map<string, Measured>> {
  const measured = new Map<string, Measured>();
  for (const segment of segmentsOf(scene, sizes, measured, length)) {
    await probeSegment(segment, sizes, measured);
  }
  return measured;
}

/** Casts that ONNX Runtime inserts for float16 and, unless it optimises, gives a wrong type. */
const brokenCasts = /InsertedPrecisionFreeCast/;

async function probeSegment(
  scene: Scene,
  sizes: Sizes,
  measured: Map<string, Measured>,
): Promise<void> {
  // Without Shape nodes there is nothing to fold, and folding costs as much again.
  const computed = scene.nodes.some(({ opType }) => opType === "Shape" || opType === "Size");
  const ask = async (outputs: readonly Value[], level: "disabled" | "basic") => {
    const types = await typesOf(scene, sizes, outputs, level).catch((cause) => {
      if (level === "basic" || !brokenCasts.test(String(cause))) throw cause;
      return typesOf(scene, sizes, outputs, "basic");
    });
    for (const [name, type] of types) measured.set(name, type);
    correct(scene.nodes, measured);
  };
  await ask(scene.outputs, computed ? "basic" : "disabled");
  for (let open = unresolved(scene, measured); open.length > 0; ) {
    // What is an output is not folded. So the shapes' arithmetic, whose own types are known by
    // now, steps back, and what depends on its results comes out.
    await ask(open, "basic");
    const still = unresolved(scene, measured);
    if (still.length === open.length) break;
    open = still;
  }
}

function unresolved(scene: Scene, measured: ReadonlyMap<string, Measured>): Value[] {
  return scene.outputs.filter(({ name }) => {
    const type = measured.get(name);
    return type && (type.shape?.includes(null) ?? true);
  });
}

async function typesOf(
  scene: Scene,
  sizes: Sizes,
  outputs: readonly Value[],
  level: "disabled" | "basic",
): Promise<Map<string, Measured>> {
  if (outputs.length === 0) return new Map();
  const { scene: shown, bfloat16 } = withStandIns(scene);
  const { model, graph, inputs, nodes, keep } = shown;
  nodes.forEach(refuseOutsized);
  const chosen = new Set(nodes);
  const bytes = encodeProbe(
    { ...model, irVersion: Math.min(model.irVersion, newestIr) },
    {
      graph,
      inputs: inputs.map(({ value, type }) => ({ name: value.name, type: concrete(type, sizes) })),
      outputs: outputs.map(({ name }) => name),
      keep,
      nodes: (node) => chosen.has(node),
    },
  );
  const session = await ort()
    .InferenceSession.create(bytes, {
      ...lightly,
      graphOptimizationLevel: level,
      extra: { optimization: { constant_folding_max_output_size_in_bytes: "65536" } },
    })
    .catch((cause) => {
      throw new Refusal(reasonOf(cause));
    });
  const measured = new Map<string, Measured>();
  for (const port of session.outputMetadata) {
    if (!port.isTensor) continue;
    const dtype =
      bfloat16 && port.type === "float16"
        ? (scene.graph.values.get(port.name)?.type?.dtype ?? "bfloat16")
        : (port.type as DType);
    measured.set(port.name, { dtype, shape: port.shape.map((dim) => (dim === "" ? null : dim)) });
  }
  await session.release();
  return measured;
}

/** ONNX Runtime makes room for as many pieces as `num_outputs` says before it counts the outputs. */
function refuseOutsized(node: Node): void {
  for (const body of node.subgraphs) body.nodes.forEach(refuseOutsized);
  const pieces = node.op === "Split" ? node.attributes.get("num_outputs")?.value : undefined;
  if (pieces?.type !== "int" || pieces.value <= node.outputs.length) return;
  const names = `num_outputs is ${pieces.value}, with ${node.outputs.length} outputs`;
  throw new Refusal(`In Node, ("${node.name}", Split): ${names}`);
}
