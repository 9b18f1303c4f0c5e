import { expect, test } from "vitest";
import { collapseSites } from "../../src/cli/sites.ts";
import { plural, showBytes, showChange, showCount, showTime } from "../../src/diag/figures.ts";

test("counts have three digits", () => {
  const counts = [0, 7, 996, 1000, 1399688, 675129632, 9995, 99949, 999499, 999500, -12345];
  expect(counts.map(showCount)).toEqual([
    "0",
    "7",
    "996",
    "1.00K",
    "1.40M",
    "675M",
    "10.0K",
    "99.9K",
    "999K",
    "1.00M",
    "-12.3K",
  ]);
});

test("bytes are powers of 1000", () => {
  expect([0, 512, 5900396, 2_700_000_000].map(showBytes)).toEqual([
    "0 B",
    "512 B",
    "5.90 MB",
    "2.70 GB",
  ]);
});

test("changes are percentages", () => {
  const pairs = [
    [100, 100],
    [1000, 1003],
    [1000, 501],
    [100000, 100016],
    [10, 40],
    [0, 5],
  ] as const;
  expect(pairs.map(([before, after]) => showChange(before, after))).toEqual([
    "unchanged",
    "+0.3%",
    "-49.9%",
    "+0.02%",
    "+300%",
    "new",
  ]);
});

test("times have a unit that fits", () => {
  expect([1.234, 85.2, 999.6, 1300, 59_960, 125_000].map(showTime)).toEqual([
    "1.2 ms",
    "85 ms",
    "1.0 s",
    "1.3 s",
    "1 min 0 s",
    "2 min 5 s",
  ]);
});

test("nouns agree with their number", () => {
  expect([plural(1, "file"), plural(2, "file")]).toEqual(["1 file", "2 files"]);
});

test("sites of one kind share a label", () => {
  const odd = Array.from({ length: 14 }, (_, i) => `blocks[${2 * i + 1}].attn`);
  expect(collapseSites(odd)).toBe("blocks[1, 3, ..., 27].attn");
  expect(collapseSites(odd.slice(0, 4))).toBe("blocks[1, 3, 5, 7].attn");
  expect(collapseSites(["blocks[2]", "blocks[0]", "blocks[1]", "blocks[4]", "blocks[3]"])).toBe(
    "blocks[0..4]",
  );
  expect(collapseSites(["blocks[0].mlp", "blocks[1].attn", "blocks[2].mlp"])).toBe(
    "blocks[0, 2].mlp, blocks[1].attn",
  );
  expect(collapseSites(["a.blocks[0]", "b.blocks[0]", "final_layer"])).toBe(
    "a.blocks[0], b.blocks[0], final_layer",
  );
  expect(collapseSites([0, 1, 5, 6, 9].map((i) => `blocks[${i}]`))).toBe("blocks[0, 1, 5, 6, 9]");
});
