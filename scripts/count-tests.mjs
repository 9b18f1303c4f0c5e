/**
 * `node count-tests.mjs REPORT.json FAILURES`: prints `N passed, N failed` of vitest's JSON report,
 * with FAILURES other steps counted as failed. Exits 1 where anything failed or nothing ran.
 */
import { readFileSync } from "node:fs";

const [report, failures] = process.argv.slice(2);
let tests = { numPassedTests: 0, numFailedTests: 0, testResults: [] };
try {
  tests = JSON.parse(readFileSync(report, "utf8"));
} catch {
  console.error("vitest wrote no report");
}
const { numPassedTests: passed, testResults } = tests;
// A file that fails to load has no tests of its own.
const broken = testResults.filter(
  ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
).length;
const failed = tests.numFailedTests + broken + Number(failures);
const nothing = passed + failed === 0;
console.log(`${passed} passed, ${failed + Number(nothing)} failed`);
process.exitCode = failed > 0 || nothing ? 1 : 0;
