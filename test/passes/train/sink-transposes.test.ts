import { expect, test } from "vitest";
import { sinkTransposes } from "../../../passes/train/sink-transposes.ts";
import { verify } from "../../../passes/verify.ts";
import type { Model } from "../../../src/ir/graph.ts";
import { elements, type TensorType } from "../../../src/ir/types.ts";
import type { Wire } from "../../../src/onnx-ops/wire.ts";
import { distance, type Numbers } from "../../lower/workbench.ts";
import { evaluate, growModel } from "./workbench.ts";

const type: TensorType = { dtype: "float32", shape: [2, 12, 5] };
const numbers: Numbers = {
  shape: type.shape as number[],
  data: Float32Array.from({ length: 120 }, (_, i) => Math.sin(i * i)),
};
const feeds = new Map([
  ["x", numbers],
  ["z", numbers],
]);

type Named = (name: string) => Wire;
type Grow = (wire: Named) => Record<string, Wire>;
const thirds = (x: Wire) => x.split(2, [4, 4, 4]);

/** With how many elements Transposes turn, before and afterwards. */
const cases: Record<string, readonly [number, number, Grow]> = {
  "behind a product of what was split off": [
    120,
    40,
    (wire) => {
      const [q, k, v] = thirds(wire("x").transpose([0, 2, 1]));
      return { y: q!.mul(k!.mul(v!)).sigmoid() };
    },
  ],
  "from two values that meet": [
    240,
    120,
    (wire) => ({
      y: wire("x")
        .transpose([0, 2, 1])
        .add(wire("z").transpose([0, 2, 1]).mul(2)),
    }),
  ],
  "up to one that turns back, which the runtime cancels, and on from there": [
    120 + 40 + 40,
    40 + 40 + 40,
    (wire) => {
      const [q, k, v] = thirds(wire("x").transpose([0, 2, 1]));
      const inner = k!.mul(v!).transpose([0, 2, 1]).tanh();
      return { y: q!.mul(inner.transpose([0, 2, 1])) };
    },
  ],
  "not where as much would be turned": [
    120,
    120,
    (wire) => {
      const [q, k, v] = thirds(wire("x").transpose([0, 2, 1]).sigmoid());
      return { q: q!.exp(), k: k!.exp(), v: v!.exp() };
    },
  ],
  "not past somebody who needs the axes": [
    120,
    120,
    (wire) => {
      const turned = wire("x").transpose([0, 2, 1]);
      return { y: turned.mul(turned.sum([2])), product: thirds(turned)[0]!.mul(2) };
    },
  ],
};

function turned({ graph }: Model): number {
  const transposes = graph.nodes.filter(({ op }) => op === "Transpose");
  const sizes = transposes.map(({ outputs }) => elements(outputs[0]!.type!.shape as number[]));
  return sizes.reduce((a, b) => a + b, 0);
}

test.each(Object.entries(cases))("%s", async (_, [before, after, grow]) => {
  const model = growModel({ x: type, z: type }, grow);
  expect(turned(model)).toBe(before);
  const whole = await evaluate(model, feeds);
  sinkTransposes(model);
  verify(model);
  expect(turned(model)).toBe(after);
  for (const [name, result] of await evaluate(model, feeds)) {
    expect(distance(result, whole.get(name)!)).toBe(0);
  }
});
