/** Attributes of ONNX operators from values of the language. */
import { fail } from "../diag/diagnostic.ts";
import { nearest } from "../diag/suggest.ts";
import { inMemory } from "../ir/bytes.ts";
import { dtypes } from "../ir/types.ts";
import type { AttributeInput } from "../onnx-ops/attributes.ts";
import { encodeElements } from "../onnx-ops/elements.ts";
import type { AttributeKind, Schema } from "../onnx-ops/schemas.ts";
import { filled } from "./arrays.ts";
import { type Argument, wholesOf } from "./params.ts";
import type { Ground } from "./placement.ts";
import { type Known, kindOf, type List, show, type Val } from "./values.ts";

interface Reader {
  readonly wanted: string;
  readonly read: (value: Val, ground: Ground) => AttributeInput | undefined;
}

const int: Reader = {
  wanted: "a whole number",
  read: (value) => {
    if (typeof value === "boolean") return value ? 1 : 0;
    if (typeof value === "number") return Number.isInteger(value) ? value : undefined;
    return value !== null && typeof value === "object" && value.kind === "dtype"
      ? dtypes[value.dtype].code
      : undefined;
  },
};

const readers: Readonly<Partial<Record<AttributeKind, Reader>>> = {
  i: int,
  f: {
    wanted: "a number",
    read: (value) => (typeof value === "number" ? { float: value } : undefined),
  },
  s: { wanted: "a string", read: (value) => (typeof value === "string" ? value : undefined) },
  t: {
    wanted: "a tensor that is known when the model is compiled",
    read: (value, { dtype }) =>
      typeof value === "number"
        ? tensorAttribute(filled(dtype, [1], value))
        : kindOf(value) === "known"
          ? tensorAttribute(value as Known)
          : undefined,
  },
  I: { wanted: "a list of whole numbers", read: (value) => wholesOf(value) },
  F: {
    wanted: "a list of numbers",
    read: (value) => {
      const floats = itemsOf(value);
      return floats.every((item) => typeof item === "number") ? { floats } : undefined;
    },
  },
  S: {
    wanted: "a list of strings",
    read: (value) => {
      const strings = itemsOf(value);
      return strings.every((item) => typeof item === "string") ? { strings } : undefined;
    },
  },
};

function itemsOf(value: Val): readonly Val[] {
  return kindOf(value) === "list" ? (value as List).items : [value];
}

function tensorAttribute({ dtype, shape, data }: Known): AttributeInput {
  return { dtype, shape, data: inMemory(encodeElements(dtype, data)) };
}

/** @param schema null: an operator of another domain, whose attributes are as they are written. */
export function attributeOf(
  ground: Ground,
  op: string,
  schema: Schema | null,
  { name, value, span, real }: Argument,
): AttributeInput {
  const attribute = name!;
  const kind = schema ? schema.attributes.get(attribute)?.kind : kindOfValue(value, real);
  if (!kind) {
    const names = [...schema!.attributes.keys()];
    const close = nearest(attribute, names);
    const list = names.length ? `it has ${names.join(", ")}` : "it has none";
    throw fail(
      "unknown-attribute",
      { op, attribute, opset: ground.opset },
      {
        at: span,
        hint: close ? `did you mean \`${close}\`?` : list,
      },
    );
  }
  const reader = readers[kind];
  if (!reader) throw fail("operator-with-body", { op }, { at: span });
  const input = reader.read(value, ground);
  if (input !== undefined) return input;
  const got = show(value);
  throw fail("wrong-attribute", { op, attribute, wanted: reader.wanted, got }, { at: span });
}

function kindOfValue(value: Val, real = false): AttributeKind {
  if (typeof value === "string") return "s";
  if (typeof value === "number") return real || !Number.isInteger(value) ? "f" : "i";
  const [first] = itemsOf(value);
  if (kindOf(value) === "known") return "t";
  if (kindOf(value) !== "list") return "i";
  if (typeof first === "string") return "S";
  return itemsOf(value).every(Number.isInteger) ? "I" : "F";
}
