/** Layers that ONNX has an operator for. */
import type { Dim } from "../ir/types.ts";
import { subtractDims } from "./dims.ts";
import { mayEqual, type OpLiteral, ranked, refuse } from "./op.ts";

export const nn: readonly OpLiteral[] = [
  {
    op: "Conv",
    infer: ranked(([x, w], { attributes }) => {
      if (!x || !w || x.shape.length < 3) return null;
      if ((attributes.string("auto_pad") ?? "NOTSET") !== "NOTSET") return null;
      if (w.shape.length !== x.shape.length) refuse("Conv", [x, w], "the ranks have to be equal");
      const group = attributes.int("group") ?? 1;
      const [channels, perGroup] = [x.shape[1]!, w.shape[1]!];
      if (typeof perGroup === "number" && !mayEqual(channels, perGroup * group)) {
        refuse("Conv", [x, w], `${channels} channels are not ${perGroup} x ${group} groups`);
      }
      const spatial = x.shape.slice(2).map((dim, i, dims): Dim => {
        const size = w.shape[i + 2]!;
        const pads = attributes.ints("pads");
        const padding = (pads?.[i] ?? 0) + (pads?.[i + dims.length] ?? 0);
        const stride = attributes.ints("strides")?.[i] ?? 1;
        const dilation = attributes.ints("dilations")?.[i] ?? 1;
        if (typeof size !== "number") return null;
        const shrink = dilation * (size - 1) - padding;
        if (typeof dim === "number") return Math.floor((dim - shrink - 1) / stride) + 1;
        return stride === 1 ? subtractDims(dim, shrink) : null;
      });
      return [{ dtype: x.dtype, shape: [x.shape[0]!, w.shape[0]!, ...spatial] }];
    }),
  },
];
