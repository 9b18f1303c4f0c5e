import { error, warning } from "../template.ts";

export const modelMessages = {
  "file-unreadable": error`${"path"} cannot be read: ${"why"}`,
  "input-changed": error`${"path"} was changed by somebody while it was being read`,

  "model-malformed": error`${"path"} is not a valid ONNX model: ${"why"} (byte ${"at"})`,
  "model-other": error`${"path"} is ${"what"}, not an ONNX model`,
  "model-empty": error`${"path"} has no graph, so it is no ONNX model`,
  "graph-depth": error`${"path"} nests graphs deeper than any runtime reads`,
  "graph-cycle": error`The graph ${"graph"} has a cycle through its node ${"node"}`,
  "value-undefined": error`In the graph ${"graph"}, ${"reader"} reads \`${"name"}\`, which nothing defines`,
  "value-duplicate": error`The graph ${"graph"} defines \`${"name"}\` twice`,

  "tensor-type": error`The tensor ${"tensor"} has an element type that ONNX does not define`,
  "tensor-shape": error`The tensor ${"tensor"} has the impossible shape ${"shape"}`,
  "tensor-size": error`The tensor ${"tensor"} is ${"type"} and needs ${"needed"}, but has ${"found"}`,
  "external-strings": error`The tensor ${"tensor"} holds strings, which cannot be external data`,
  "external-location": error`The tensor ${"tensor"} is external but does not say in which file`,
  "external-number": error`The external data of ${"tensor"} has the ${"key"} "${"text"}", which is no size`,
  "external-absolute": error`The external data of ${"tensor"} is at an absolute path, ${"file"}`,
  "external-outside": error`The external data of ${"tensor"}, ${"file"}, is outside of the model's folder`,
  "external-missing": error`The external data of ${"tensor"}, ${"file"}, is not in the model's folder`,
  "external-no-file": error`The external data of ${"tensor"}, ${"file"}, is not a regular file`,
  "external-length": error`The external data of ${"tensor"} in ${"file"} is ${"length"} bytes long, but its shape needs ${"needed"}`,
  "external-short": error`${"file"} ends before the external data of ${"tensor"}: it has ${"size"} bytes of ${"needed"}`,

  "safetensors-malformed": error`${"path"} is not a valid safetensors file: ${"why"}`,

  "out-folder": error`${"path"} is a folder, so no model can be written there`,
  "out-nowhere": error`${"path"} cannot be written: there is no folder ${"folder"}`,
  "out-unwritable": error`${"path"} cannot be written: ${"why"}`,
  "out-overwrites-input": error`Writing ${"out"} would overwrite a file of the input`,
  "disk-full": error`${"path"} cannot be written: the disk is full`,
  "nothing-shared": warning`${"model"} has no data file to share: its weights are inside, and are written with the output`,
  "share-elsewhere": error`${"out"} cannot share the input's data file, which is in ${"folder"}: runtimes refuse data from other folders`,
  "data-left": warning`${"path"} was of the model that ${"out"} replaces, and no model refers to it now`,
  "model-too-large": error`${"out"} would be over 2 GB without its weights, more than protobuf takes`,
} as const;
