#!/usr/bin/env node
import { load } from "./cli/load.ts";

const { main } = load(new URL("./graftc.cjs", import.meta.url)) as typeof import("./cli/main.ts");
const code = await main(process.argv.slice(2));
process.exitCode ||= code;
