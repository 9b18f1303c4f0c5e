/**
 * What is found in over 100 exports, against what an expert says of their architectures (expected.json),
 * and that names, metadata and the order of nodes have no part in finding it.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import { fixtureNames, open, scrub, zooNames } from "./models.ts";
import { summaryOf } from "./summary.ts";

const expected = JSON.parse(readFileSync("test/anatomy/expected.json", "utf8"));
const names = [...fixtureNames, ...zooNames];

test("every model is expected", () => {
  expect(Object.keys(expected).sort()).toEqual([...names].sort());
});

test.each(names)("%s", async (name) => {
  const model = await open(name);
  const found = anatomize(model);
  expect(summaryOf(found, { scopes: true })).toEqual(expected[name]);

  const structure = summaryOf(found, { scopes: false });
  for (const seed of [1, 2]) {
    scrub(model, seed);
    expect(summaryOf(anatomize(model), { scopes: false })).toEqual(structure);
  }
});
