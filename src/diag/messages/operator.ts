import { error, note, warning } from "../template.ts";

export const operatorMessages = {
  // Shapes, types and sizes
  "impossible-size": error`No tensor can have the shape ${"shape"}`,
  "shapes-do-not-meet": error`\`${"op"}\` cannot take ${"shapes"}`,
  "types-do-not-meet": error`\`${"op"}\` cannot take ${"types"}`,
  "no-such-axis": error`A tensor of rank ${"rank"} has no axis ${"axis"}`,
  "no-such-element": error`There is no element ${"index"} among ${"count"}`,
  "symbolic-size": error`${"what"} needs a size that is known now, and \`${"size"}\` is symbolic`,
  "size-unknown-here": error`\`${"name"}\` is not known here: ${"why"}`,
  "number-does-not-fit": error`${"number"} has no exact form in ${"dtype"}`,
  "inexact-elements": error`\`${"op"}\` of ${"dtype"} tensors has to give whole numbers`,
  "not-a-number": error`${"value"} is not a number or a tensor`,
  "not-a-truth": error`${"value"} is neither true nor false`,
  "no-subscript": error`${"value"} has no elements to pick`,
  "start-not-finite": error`The weight would start with ${"value"}, element ${"index"}, which ${"dtype"} does not hold`,
  "not-constant": error`${"name"} has to be known when the model is compiled; this depends on ${"cause"}`,
  "wrong-unpacking": error`The names before \`=\` are ${"names"}, and the values behind it ${"values"}`,

  // Names and calls
  "unknown-name": error`Nothing is called \`${"name"}\` here`,
  "unknown-function": error`There is no function, layer or operator \`${"name"}\``,
  "unknown-member": error`${"value"} has no \`${"member"}\``,
  "unknown-layer-type": error`No kind of layer is called \`${"name"}\``,
  "not-callable": error`${"value"} cannot be called`,
  "recursive-operator": error`\`${"name"}\` calls itself more than ${"limit"} times`,
  "no-return": error`\`${"name"}\` returns nothing`,
  "declared-twice": error`\`${"name"}\` is declared twice`,
  "initialiser-elsewhere": error`\`${"name"}\` fills a weight: it belongs to \`init\` or \`weight ... =\``,

  // ONNX operators
  "unknown-onnx-operator": error`ONNX has no operator \`${"op"}\``,
  "operator-above-opset": error`\`${"op"}\` came with opset ${"since"}, and the model has opset ${"opset"}`,
  "operator-withdrawn": error`ONNX withdrew \`${"op"}\` before opset ${"opset"}`,
  "domain-not-imported": error`The model does not use the operators of \`${"domain"}\``,
  "unknown-attribute": error`\`${"op"}\` has no attribute \`${"attribute"}\` at opset ${"opset"}`,
  "missing-attribute": error`\`${"op"}\` needs its attribute \`${"attribute"}\``,
  "wrong-attribute": error`\`${"attribute"}\` of \`${"op"}\` is ${"wanted"}, not ${"got"}`,
  "wrong-inputs": error`\`${"op"}\` takes ${"wanted"}, and gets ${"count"}`,
  "wrong-outputs": error`\`${"op"}\` gives ${"wanted"}, and ${"count"} are wanted`,
  "operator-with-body": error`\`${"op"}\` has a graph for an attribute, which the language cannot write`,
  "size-not-whole": error`\`${"size"}\` has to be whole here, and the model takes other sizes too`,
  "runtime-refused": error`ONNX Runtime refuses this ${"op"} at sizes that the model takes: ${"reason"}`,
  "result-refused": error`What this makes does not fit what reads it, at sizes that the model takes: ${"reason"}`,
  "operator-refused": error`\`${"op"}\` cannot take ${"types"}`,
  "opset-too-old": error`Operators need opset 13 or later, and ${"model"} has opset ${"opset"}`,

  // The place
  "no-context": error`${"site"} has no second stream: \`${"name"}\` means nothing here`,
  "returned-count": error`\`${"operator"}\` returns ${"count"}, and ${"site"} has ${"wanted"}`,
  "returned-type": error`\`${"operator"}\` returns ${"got"}, and ${"site"} is ${"wanted"}`,
  "not-a-stream": error`${"site"} takes ${"type"}, which is not [B, N, D]`,
  "name-taken": error`The model already has something called \`${"name"}\`, and others read it`,
  "name-given-up": note`\`${"name"}\` now belongs to a weight of \`${"operator"}\`; what had it, and others read, is renamed`,
  "stored-twice": error`Two weights would be stored as \`${"name"}\``,

  // The host
  "unknown-host-part": error`A host has no \`${"name"}\``,
  "rotation-misfit": error`The host's rotation takes ${"wanted"}, not ${"got"}`,
  "host-unreadable": error`The weight cannot be read: ${"why"}`,
  "inherit-shape": note`\`${"layer"}\` starts fresh: \`${"part"}\` of ${"site"} is ${"got"}, and it is ${"wanted"}`,
  "inherit-refused": note`\`${"layer"}\` starts fresh: ${"why"}`,
  "inherit-no-bias": note`\`${"layer"}\` has no bias, and leaves out that of \`${"part"}\` of ${"site"}`,
  "position-lost": warning`\`${"operator"}\` ignores the rotary embedding or query and key norms of ${"site"}`,
  "mask-lost": warning`\`${"operator"}\` ignores ${"what"} ${"site"}`,
  unreachable: warning`Nothing reaches this line`,
  "unused-layer": warning`Nothing calls \`${"layer"}\`: it gets no weights`,
} as const;
