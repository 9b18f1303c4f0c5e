/** Model -> ModelProto: as it was, or with what changed. */
import type { Graph, Initializer, Model } from "../ir/graph.ts";
import { carry } from "./carried.ts";
import { encodeFunction, encodeGraph } from "./encode-graph.ts";
import type { Encoder } from "./encode-node.ts";
import type { Home } from "./encode-tensor.ts";
import { originOf } from "./origin.ts";
import { opsetMap, plainDomain } from "./read-node.ts";
import { Rope } from "./rope.ts";
import { numbersOf } from "./schema.ts";
import { Edits, type Element, occurrences, whole } from "./splice.ts";

const proto = numbersOf("ModelProto");
const functionProto = numbersOf("FunctionProto");
const opset = numbersOf("OperatorSetIdProto");

/** What protobuf's readers take. */
export const largestMessage = 2 ** 31 - 1;

/**
 * Nothing is read but what was edited.
 * @param home where each tensor's bytes go.
 * @param inputs types to write in the place of the inputs' own.
 * @param known given to a second call, it saves it what the first one encoded. Not to be kept while
 * the model changes.
 */
export function encodeModel(
  model: Model,
  home: (tensor: Initializer) => Home,
  { inputs, known }: Pick<Encoder, "inputs" | "known"> = {},
): Rope {
  const origin = originOf.model(model);
  const { carried } = origin;
  const body = (graph: Graph) => encodeGraph(graph, encoder);
  const encoder: Encoder = { home, carried, body, inputs, known };
  const edits = new Edits(origin);
  edits.int(proto.ir_version, origin.head.irVersion, model.irVersion);
  edits.text(proto.producer_name, origin.head.producer.name, model.producer.name);
  edits.text(proto.producer_version, origin.head.producer.version, model.producer.version);
  edits.messages(proto.graph, model.origin ? 1 : 0, [
    { slot: 0, content: encodeGraph(model.graph, encoder) },
  ]);
  edits.messages(proto.opset_import, origin.opsets.length, opsetsOf(model));
  edits.properties(proto.metadata_props, origin.metadata, model.metadata);
  const training = origin.trainingInfo.map((slice, slot) => {
    return { slot, content: carry("TrainingInfoProto", slice, encoder) };
  });
  edits.messages(proto.training_info, training.length, training);
  edits.messages(proto.functions, origin.functions.length, functionsOf(model, encoder));
  return whole(edits.apply());
}

/** A domain that is imported twice, as itself or under its other name, keeps both versions until it changes. */
function opsetsOf(model: Model): Element[] {
  const { opsets } = originOf.model(model);
  const slices = occurrences(originOf.model(model), proto.opset_import);
  const read = opsetMap(opsets);
  const kept = opsets.flatMap(([domain, version], slot) => {
    const plain = plainDomain(domain);
    const now = model.opsets.get(plain);
    if (now === undefined) return [];
    const edits = new Edits(slices[slot]!);
    if (now !== read.get(plain)) edits.int(opset.version, version, now);
    return [{ slot, content: edits.apply() }];
  });
  const added = [...model.opsets].filter(([domain]) => !read.has(domain));
  return [
    ...kept,
    ...added.map(([domain, version]) => ({ slot: -1, content: newOpset(domain, version) })),
  ];
}

export function newOpset(domain: string, version: number): Rope {
  return new Rope().text(opset.domain, domain).int(opset.version, version);
}

function functionsOf(model: Model, encoder: Encoder): Element[] {
  const slots = new Map(originOf.model(model).functions.map((body, slot) => [body, slot]));
  return [...model.functions].map(([key, body]) => {
    const slot = slots.get(body) ?? -1;
    const content = encodeFunction(body, encoder);
    return { slot, content: slot < 0 ? newFunction(key, body, whole(content), model) : content };
  });
}

/** @param content its inputs, outputs and nodes. */
function newFunction(key: string, body: Graph, content: Rope, model: Model): Rope {
  const domain = key.includes("::") ? key.slice(0, key.indexOf("::")) : "";
  const rope = new Rope().text(functionProto.name, body.name).rope(content);
  for (const [imported, version] of model.opsets) {
    rope.message(functionProto.opset_import, newOpset(imported, version));
  }
  return rope.text(functionProto.domain, domain);
}
