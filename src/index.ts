/** graftc as a library: what the command line does, for programs. */

export { format, parse } from "../grammar/index.ts";
export type * from "./anatomy/anatomy.ts";
export { type ArtifactsOptions, type ArtifactsResult, artifacts } from "./artifacts.ts";
export { type CheckOptions, check } from "./check.ts";
export { type CompileOptions, type CompileResult, compile, type Figures } from "./compile.ts";
export { type Diagnostic, GraftError } from "./diag/diagnostic.ts";
export { renderDiagnostic } from "./diag/render.ts";
export type { SourceText } from "./diag/span.ts";
export type { Diff, DiffGroup } from "./diff/index.ts";
export { type Dissected, dissect } from "./dissect.ts";
export type { Inspection } from "./inspect/index.ts";
export type { Attribute, Graph, Initializer, Model, Node, Value } from "./ir/graph.ts";
export { readModel, readSafetensors, tensorBytes, tensorValues, writeModel } from "./onnx/index.ts";
export { createPreset } from "./presets/index.ts";
export { type StageResult, type TrainResult, train } from "./train.ts";
export type { TrainOptions } from "./training/options.ts";
export { diff, inspect } from "./views.ts";
