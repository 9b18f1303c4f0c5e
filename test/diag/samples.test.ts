import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { messages } from "../../src/diag/messages/index.ts";
import { samples } from "./sample.ts";
import { reportOf } from "./stages.ts";

const update = process.env.UPDATE_SAMPLES === "1";

test.each(samples)("$name", async (sample) => {
  const text = await reportOf(sample);
  if (update) writeFileSync(sample.expected, text);
  expect(text).toBe(readFileSync(sample.expected, "utf8"));
});

test("every message has a sample", () => {
  const written = samples.filter(({ expected }) => existsSync(expected));
  const seen = new Set(
    written.flatMap(({ expected }) =>
      [...readFileSync(expected, "utf8").matchAll(/^\w+\[([\w-]+)\]:/gm)].map((match) => match[1]),
    ),
  );
  expect(Object.keys(messages).filter((code) => !seen.has(code))).toEqual([]);
});
