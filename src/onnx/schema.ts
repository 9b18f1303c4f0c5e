/**
 * The messages of onnx.proto as of ONNX 1.23 (IR version 14): field name -> number, kind. The one
 * table that reading and writing share.
 *
 * Kinds: `int` is any varint as a number (exact to 2^53), `bigint` the same exactly, `bytes` and
 * messages stay where they are (a Slice), `kept` is carried and looked at only where needed.
 */
export const schema = {
  ModelProto: {
    ir_version: [1, "int"],
    producer_name: [2, "string"],
    producer_version: [3, "string"],
    domain: [4, "kept"],
    model_version: [5, "kept"],
    doc_string: [6, "kept"],
    graph: [7, "GraphProto"],
    opset_import: [8, "OperatorSetIdProto", "repeated"],
    metadata_props: [14, "StringStringEntryProto", "repeated"],
    training_info: [20, "TrainingInfoProto", "repeated"],
    functions: [25, "FunctionProto", "repeated"],
    configuration: [26, "kept", "repeated"],
  },
  OperatorSetIdProto: { domain: [1, "string"], version: [2, "int"] },
  StringStringEntryProto: { key: [1, "string"], value: [2, "string"] },
  TrainingInfoProto: {
    initialization: [1, "GraphProto"],
    algorithm: [2, "GraphProto"],
    initialization_binding: [3, "kept", "repeated"],
    update_binding: [4, "kept", "repeated"],
  },
  GraphProto: {
    node: [1, "NodeProto", "repeated"],
    name: [2, "string"],
    initializer: [5, "TensorProto", "repeated"],
    doc_string: [10, "kept"],
    input: [11, "ValueInfoProto", "repeated"],
    output: [12, "ValueInfoProto", "repeated"],
    value_info: [13, "ValueInfoProto", "repeated"],
    quantization_annotation: [14, "TensorAnnotation", "repeated"],
    sparse_initializer: [15, "SparseTensorProto", "repeated"],
    metadata_props: [16, "kept", "repeated"],
  },
  FunctionProto: {
    name: [1, "string"],
    input: [4, "string", "repeated"],
    output: [5, "string", "repeated"],
    attribute: [6, "string", "repeated"],
    node: [7, "NodeProto", "repeated"],
    doc_string: [8, "kept"],
    opset_import: [9, "OperatorSetIdProto", "repeated"],
    domain: [10, "string"],
    attribute_proto: [11, "AttributeProto", "repeated"],
    value_info: [12, "ValueInfoProto", "repeated"],
    overload: [13, "string"],
    metadata_props: [14, "kept", "repeated"],
  },
  NodeProto: {
    input: [1, "string", "repeated"],
    output: [2, "string", "repeated"],
    name: [3, "string"],
    op_type: [4, "string"],
    attribute: [5, "AttributeProto", "repeated"],
    doc_string: [6, "kept"],
    domain: [7, "string"],
    overload: [8, "kept"],
    metadata_props: [9, "StringStringEntryProto", "repeated"],
    device_configurations: [10, "kept", "repeated"],
  },
  AttributeProto: {
    name: [1, "string"],
    f: [2, "float"],
    i: [3, "bigint"],
    s: [4, "bytes"],
    t: [5, "TensorProto"],
    g: [6, "GraphProto"],
    floats: [7, "float", "repeated"],
    ints: [8, "bigint", "repeated"],
    strings: [9, "bytes", "repeated"],
    tensors: [10, "TensorProto", "repeated"],
    graphs: [11, "GraphProto", "repeated"],
    doc_string: [13, "kept"],
    tp: [14, "TypeProto"],
    type_protos: [15, "TypeProto", "repeated"],
    type: [20, "int"],
    ref_attr_name: [21, "string"],
    sparse_tensor: [22, "SparseTensorProto"],
    sparse_tensors: [23, "SparseTensorProto", "repeated"],
  },
  TensorProto: {
    dims: [1, "int", "repeated"],
    data_type: [2, "int"],
    segment: [3, "bytes"],
    float_data: [4, "kept", "repeated"],
    int32_data: [5, "kept", "repeated"],
    string_data: [6, "kept", "repeated"],
    int64_data: [7, "kept", "repeated"],
    name: [8, "string"],
    raw_data: [9, "bytes"],
    double_data: [10, "kept", "repeated"],
    uint64_data: [11, "kept", "repeated"],
    doc_string: [12, "kept"],
    external_data: [13, "StringStringEntryProto", "repeated"],
    data_location: [14, "int"],
    metadata_props: [16, "StringStringEntryProto", "repeated"],
  },
  SparseTensorProto: {
    values: [1, "TensorProto"],
    indices: [2, "TensorProto"],
    dims: [3, "kept", "repeated"],
  },
  TensorAnnotation: {
    tensor_name: [1, "string"],
    quant_parameter_tensor_names: [2, "kept", "repeated"],
  },
  ValueInfoProto: {
    name: [1, "string"],
    type: [2, "TypeProto"],
    doc_string: [3, "kept"],
    metadata_props: [4, "kept", "repeated"],
  },
  TypeProto: {
    tensor_type: [1, "TypeProto.Tensor"],
    sequence_type: [4, "kept"],
    map_type: [5, "kept"],
    denotation: [6, "kept"],
    opaque_type: [7, "kept"],
    sparse_tensor_type: [8, "kept"],
    optional_type: [9, "kept"],
  },
  "TypeProto.Tensor": { elem_type: [1, "int"], shape: [2, "TensorShapeProto"] },
  TensorShapeProto: { dim: [1, "TensorShapeProto.Dimension", "repeated"] },
  "TensorShapeProto.Dimension": {
    dim_value: [1, "int"],
    dim_param: [2, "string"],
    denotation: [3, "kept"],
  },
} as const;

export type Schema = typeof schema;
export type MessageName = keyof Schema;

/** The numbers of a message's fields: `numbersOf("NodeProto").name` is 3. */
export function numbersOf<M extends MessageName>(
  message: M,
): { readonly [F in keyof Schema[M]]: number } {
  const entries = Object.entries(schema[message]).map(([name, [number]]) => [name, number]);
  return Object.fromEntries(entries);
}
