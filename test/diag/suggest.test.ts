import { expect, test } from "vitest";
import { nearest } from "../../src/diag/suggest.ts";

const operators = ["hyena_se", "hyena_x", "hyena_y", "swa", "swa_2d", "mamba2", "mha", "mlp"];

test.each([
  ["hyenax", "hyena_x"],
  ["HyenaX", "hyena_x"],
  ["hyena-x", "hyena_x"],
  ["hyeanx", "hyena_x"],
  ["hyena_z", "hyena_x"],
  ["mamba", "mamba2"],
  ["Mamba2", "mamba2"],
  ["mlpp", "mlp"],
  ["swa2d", "swa_2d"],
  ["mph", undefined],
  ["attention", undefined],
  ["x", undefined],
  ["", undefined],
])("%s: did you mean %s?", (name, meant) => {
  expect(nearest(name, operators)).toBe(meant);
});

test("two letters that changed places are one mistake", () => {
  expect(nearest("wiht", ["to", "with"])).toBe("with");
  expect(nearest("atn", ["attn", "mlp"])).toBe("attn");
});

test("long names cost nothing", () => {
  expect(nearest("a".repeat(1e6), operators)).toBeUndefined();
});
