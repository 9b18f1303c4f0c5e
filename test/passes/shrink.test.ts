import { describe, expect, test } from "vitest";
import type { AttentionHost, Linear, MlpHost } from "../../src/anatomy/anatomy.ts";
import { anatomize } from "../../src/anatomy/index.ts";
import { blinded, reweigh, weightAt, zeroed } from "./silenced.ts";
import { distance, editModel, exports, fixture, read, recorded, run } from "./workbench.ts";

const single = (linear: Linear) => [...linear.weight.uses].length === 1;

/** The units that leave, by the rule as the manual words it. */
function leaving(
  inputs: readonly Linear[],
  output: Linear,
  units: number,
  kept: number,
): ReadonlySet<number> {
  const size = output.in / units;
  const features = (unit: number) => Array.from({ length: size }, (_, i) => unit * size + i);
  const read = inputs.map(weightAt);
  const write = weightAt(output);
  const norm = (squares: number[]) => Math.sqrt(squares.reduce((a, b) => a + b, 0));
  const importance = Array.from({ length: units }, (_, unit) => {
    const rows = features(unit).flatMap((row) =>
      inputs.flatMap(({ in: width }, i) =>
        Array.from({ length: width }, (_, column) => read[i]!(row, column) ** 2),
      ),
    );
    const columns = features(unit).flatMap((column) =>
      Array.from({ length: output.out }, (_, row) => write(row, column) ** 2),
    );
    return { unit, value: norm(rows) * norm(columns) };
  });
  importance.sort((a, b) => b.value - a.value || a.unit - b.unit);
  return new Set(importance.slice(kept).map(({ unit }) => unit));
}

describe.each(exports)("%s", (name) => {
  const half = name.includes("fp16");

  /** The edited model against the original one that cannot see the units that leave. */
  async function compare(
    text: string,
    changes: (hosts: readonly (MlpHost | AttentionHost)[]) => Parameters<typeof reweigh>[1],
    part: string,
  ) {
    const { feeds } = recorded(name);
    const expected = await read(fixture(name));
    const hosts = anatomize(expected).stacks[0]!.blocks.map((b) => b.parts.get(part)!.host);
    reweigh(expected, changes(hosts as never));
    const edited = await read(fixture(name));
    await editModel(edited, text);
    const [a, b] = [await run(expected, feeds), await run(edited, feeds)];
    for (const key of Object.keys(a)) {
      const { difference, scale } = distance(a[key]!, b[key]!);
      expect(difference / scale).toBeLessThan(half ? 2e-3 : 2e-6);
    }
  }

  test("a smaller MLP computes what the old one does with its most important units", async () => {
    await compare(
      "resize blocks[all].mlp to ratio 1.5",
      (hosts) =>
        (hosts as readonly MlpHost[]).map(({ fc1, fc2, gate, hidden }) => {
          expect(single(fc1)).toBe(true);
          const inputs = gate ? [gate, fc1] : [fc1];
          const lost = leaving(inputs, fc2, hidden, 1.5 * fc1.in);
          return blinded(fc2, (unit) => lost.has(unit));
        }),
      "mlp",
    );
  });

  test("fewer heads compute what the most important of the old ones do", async () => {
    await compare(
      "resize blocks[all].attn to heads 3",
      (hosts) =>
        (hosts as readonly AttentionHost[]).map(({ q, k, v, out, heads, headDim }) => {
          const lost = leaving([q, k, v], out!, heads, 3);
          return blinded(out!, (feature) => lost.has(Math.floor(feature / headDim)));
        }),
      "attn",
    );
  });

  test.each(["attn", "mlp"])("without its %s a block adds nothing for it", async (part) => {
    await compare(
      `remove blocks[1].${part}`,
      (hosts) => {
        const host = hosts[1]!;
        return zeroed(host.kind === "mlp" ? host.fc2 : host.out!);
      },
      part,
    );
  });

  test("without a block the stream passes through", async () => {
    const { feeds } = recorded(name);
    const expected = await read(fixture(name));
    const { parts } = anatomize(expected).stacks[0]!.blocks[1]!;
    const silenced = [...parts.values()].flatMap(({ host }) =>
      host.kind === "mlp" ? zeroed(host.fc2) : host.kind === "attention" ? zeroed(host.out!) : [],
    );
    reweigh(expected, silenced);
    const edited = await read(fixture(name));
    const { report } = await editModel(edited, "remove blocks[1]");
    expect(report.edits[0]).toMatchObject({ sites: ["blocks[1]"], parametersAdded: 0 });
    expect(report.edits[0]!.flopsAfter).toBe(0);
    const [a, b] = [await run(expected, feeds), await run(edited, feeds)];
    for (const key of Object.keys(a)) {
      const { difference, scale } = distance(a[key]!, b[key]!);
      expect(difference / scale).toBeLessThan(half ? 2e-3 : 2e-6);
    }
  });
});
