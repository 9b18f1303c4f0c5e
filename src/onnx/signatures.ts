/** Files that are taken for ONNX models, by what they begin with. */
import type { Source } from "./source.ts";

const signatures: readonly { at: number; text: string; what: string; wayOut: string }[] = [
  {
    at: 0,
    text: "version https://git-lfs",
    what: "a Git LFS pointer",
    wayOut: "`git lfs pull` fetches the file itself",
  },
  {
    at: 0,
    text: "PK\x03\x04",
    what: "a zip archive, as PyTorch writes it",
    wayOut: "export the model to ONNX first",
  },
  { at: 0, text: "\x89HDF", what: "an HDF5 file", wayOut: "export the model to ONNX first" },
  { at: 0, text: "GGUF", what: "a GGUF file", wayOut: "export the model to ONNX first" },
  {
    at: 4,
    text: "ORTM",
    what: "a model in ORT format",
    wayOut: "use the .onnx file that it was made from",
  },
  {
    at: 6,
    text: '\0\0{"',
    what: "a safetensors file",
    wayOut: "it holds weights and no graph: export the model to ONNX",
  },
];

export function otherFormat(source: Source): { what: string; wayOut: string } | undefined {
  if (source.size === 0) return { what: "an empty file", wayOut: "was the export interrupted?" };
  source.load(0, Math.min(64, source.size));
  const head = source.buffer.toString("latin1", 0, 64);
  return signatures.find(({ at, text }) => head.startsWith(text, at));
}
