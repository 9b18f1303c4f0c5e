#!/usr/bin/env node
import { join } from "node:path";
import { load } from "./cli/load.ts";

const { main } = load(join(__dirname, "graftc.cjs")) as typeof import("./cli/main.ts");
void main(process.argv.slice(2)).then((code) => {
  process.exitCode ||= code;
});
