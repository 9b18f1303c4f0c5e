/**
 * What ONNX Runtime said of one node holds for the next one like it: of a model's blocks, which are
 * all alike, it is asked about one.
 */
import { lengthOf, materialize } from "../../src/ir/bytes.ts";
import type { AttributeValue, Initializer, Node, Value } from "../../src/ir/graph.ts";
import { dtypes, elements, type TensorType } from "../../src/ir/types.ts";
import type { Measured } from "./probe.ts";
import { mostConstantBytes, type Scene } from "./scene.ts";
import { calculatesShapes } from "./shape-arithmetic.ts";
import { concrete, type Sizes } from "./symbols.ts";

/** What sizes follow from are whole numbers, or scales of axes; more reals than axes are weights. */
const mostReals = 8;

export interface Precedents {
  /** Whether a node is like one before it; then `measured` has the types of what it makes. */
  recall(node: Node): boolean;
  /** Takes in what `measured` says of nodes, in their order. */
  learn(nodes: readonly Node[]): void;
}

/**
 * A node's types follow from its operator and attributes, from the types of what it reads, and where
 * that is a constant or calculated from shapes, from its numbers: from how they are calculated.
 */
export function precedentsIn(
  scene: Scene,
  sizes: Sizes,
  measured: Map<string, Measured>,
): Precedents {
  const told = new Map<number, readonly (Measured | null)[]>();
  const meanings = new Map<Value, Meaning>();
  const idOf = interner();
  for (const { value, type } of scene.inputs) meanings.set(value, ofType(concrete(type, sizes)));

  function meaningOf(value: Value | null): Meaning {
    if (!value) return "";
    if (!meanings.has(value)) {
      const { initializer } = value;
      meanings.set(value, initializer ? ofConstant(initializer) : undefined);
    }
    return meanings.get(value);
  }

  /** Equal for nodes that are alike; undefined where that cannot be told. */
  function likenessOf(node: Node): number | undefined {
    const making = makingOf(node);
    if (making === undefined) return undefined;
    let text = making;
    for (const value of node.inputs) {
      const meaning = meaningOf(value);
      if (meaning === undefined) return undefined;
      text += `;${meaning}`;
    }
    return idOf(text);
  }

  function settle(node: Node, likeness: number | undefined) {
    node.outputs.forEach((value, i) => {
      const type = value && measured.get(value.name);
      if (!type) return;
      const byNumbers = likeness === undefined ? undefined : `#${likeness}.${i}`;
      meanings.set(value, calculatesShapes(node, type) ? byNumbers : ofType(type));
    });
  }

  return {
    recall(node) {
      const likeness = likenessOf(node);
      const types = likeness === undefined ? undefined : told.get(likeness);
      if (!types) return false;
      node.outputs.forEach((value, i) => {
        if (value) measured.set(value.name, types[i]!);
      });
      settle(node, likeness);
      return true;
    },
    learn(nodes) {
      for (const node of nodes) {
        const likeness = likenessOf(node);
        const types = node.outputs.map((value) => value && measured.get(value.name));
        const settled = types.every((type) => type === null || (type && isSettled(type)));
        if (likeness !== undefined && settled) told.set(likeness, types as (Measured | null)[]);
        settle(node, likeness);
      }
    },
  };
}

/** All that is known of a value, as text; undefined: it may be anything. */
type Meaning = string | undefined;

function interner(): (text: string) => number {
  const ids = new Map<string, number>();
  return (text) => {
    const id = ids.get(text) ?? ids.size;
    ids.set(text, id);
    return id;
  };
}

function isSettled({ shape }: Measured): boolean {
  return shape?.every((dim) => typeof dim === "number") ?? false;
}

function ofType(type: TensorType): Meaning {
  return isSettled(type) ? `${type.dtype}[${type.shape}]` : undefined;
}

function ofConstant({ dtype, shape, data }: Initializer): Meaning {
  if (dtypes[dtype].float && elements(shape) > mostReals) return ofType({ dtype, shape });
  if (lengthOf(data) > mostConstantBytes) return undefined;
  return `${dtype}[${shape}]=${Buffer.from(materialize(data)).toString("latin1")}`;
}

/** What a node does, whatever it reads. */
function makingOf({ op, attributes, inputs, outputs }: Node): Meaning {
  let text = `${op} ${inputs.length} ${outputs.map((value) => (value ? 1 : 0))}`;
  for (const { name, value } of attributes.values()) {
    const content = contentOf(value);
    if (content === undefined) return undefined;
    text += ` ${name}:${content.length}:${content}`;
  }
  return text;
}

function contentOf(attribute: AttributeValue): Meaning {
  switch (attribute.type) {
    case "int":
    case "float":
      return String(attribute.value);
    case "ints":
    case "floats":
      return attribute.value.join();
    case "string":
      return Buffer.from(attribute.value).toString("latin1");
    case "tensor":
      return ofConstant(attribute.value);
    default:
      return undefined;
  }
}
