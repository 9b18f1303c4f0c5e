import { expect, test } from "vitest";
import { differencesOf, nodeOf } from "./gradient-differences.ts";
import { readGoldens } from "./gradient-goldens.ts";
import { samples } from "./gradient-samples/index.ts";
import { distance, openBackward } from "./gradients.ts";

const goldens = readGoldens();
test.each(goldens)(
  "$name: y and its gradients are PyTorch's",
  async ({ node, feeds, wanted, tolerance }) => {
    for (const session of await openBackward(node, ["disabled", "all"])) {
      const got = await session.run(feeds);
      for (const [key, want] of wanted) {
        expect(distance(got.get(key)!, want), key).toBeLessThanOrEqual(tolerance);
      }
      await session.release();
    }
  },
);

test.each(samples.map((sample) => [titleOf(sample), sample] as const))(
  "%s: gradients are the slopes of its values",
  async (_, sample) => {
    for (const [name, error] of await differencesOf(nodeOf(sample))) {
      expect(error, name).toBeLessThan(1e-3);
    }
  },
);

function titleOf({ op, opset = 20, attributes = {}, inputs }: (typeof samples)[number]): string {
  const said = Object.entries(attributes).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  const shapes = Object.values(inputs).map((x) =>
    JSON.stringify(x && ("shape" in x ? x.shape : x)),
  );
  return `${op}-${opset}${said.join("")} of ${shapes.join(" ")}`;
}
