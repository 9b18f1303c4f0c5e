#!/usr/bin/env node
import { join } from "node:path";
import { load, optimizeLater } from "./cli/load.ts";

const { main } = load(join(__dirname, "graftc.cjs")) as typeof import("./cli/main.ts");
optimizeLater();
void main(process.argv.slice(2)).then((code) => {
  process.exitCode ||= code;
});
