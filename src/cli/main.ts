/** argv in, exit code out. */
import { CommanderError } from "commander";
import { type Diagnostic, diagnostic, GraftError } from "../diag/diagnostic.ts";
import { type JsonDiagnostic, toJson } from "../diag/json.ts";
import { usageMessages } from "../diag/messages/cli.ts";
import { nearest } from "../diag/suggest.ts";
import { commandNames } from "./names.ts";
import type { Command, Outcome } from "./outcome.ts";
import { createProgram } from "./program.ts";
import { type ColorMode, createShell, type Shell, watchStreams } from "./shell.ts";
import { interruption } from "./signals.ts";

const wrongUsage = 2;
const interrupted = 130;

/** Runs the command line `words`, without node and script; resolves to the exit code. */
export async function main(words: readonly string[]): Promise<number> {
  watchStreams();
  const { signal, release } = interruption();
  let code = 0;
  const program = createProgram(async (command, given, flags) => {
    const { json = false, quiet = false, color } = flags;
    code = await perform(command, given, createShell({ json, quiet, color, signal }));
  });
  if (words.length === 0) {
    process.stderr.write(program.helpInformation());
    return wrongUsage;
  }
  try {
    await program.parseAsync(words, { from: "user" });
    return code;
  } catch (cause) {
    if (cause instanceof CommanderError && cause.exitCode === 0) return 0;
    if (cause instanceof CommanderError || cause instanceof GraftError) {
      return refuse(cause, words, signal);
    }
    reportDefect(cause);
    return 1;
  } finally {
    release();
  }
}

async function perform<A>(command: Command<A>, given: A, shell: Shell): Promise<number> {
  try {
    return show(await command.run(given, shell), shell);
  } catch (cause) {
    shell.progress.clear();
    const diagnostics = cause instanceof GraftError ? cause.diagnostics : [];
    if (shell.signal.aborted) {
      if (shell.json) write({ ...command.failed(given), diagnostics: diagnostics.map(toJson) });
      shell.diagnose(diagnostics);
      return interrupted;
    }
    const trouble = command.trouble ?? (diagnostics.some(isUsage) ? wrongUsage : 1);
    const entries = diagnostics.length > 0 ? diagnostics.map(toJson) : [defect(cause)];
    if (shell.json) write({ ...command.failed(given), diagnostics: entries });
    shell.diagnose(diagnostics);
    if (diagnostics.length === 0) reportDefect(cause);
    return trouble;
  }
}

function show(outcome: Outcome, shell: Shell): number {
  const { code, json, text, essential, diagnostics = [] } = outcome;
  shell.progress.clear();
  if (shell.json) write({ ...json, diagnostics: diagnostics.map(toJson) });
  shell.diagnose(diagnostics);
  if (text !== "" && (essential || !shell.quiet)) shell.print(text);
  return code;
}

type Refusal = CommanderError | GraftError;

/** The words make no command: says so, in JSON too where they ask for it. */
function refuse(cause: Refusal, words: readonly string[], signal: AbortSignal): number {
  const diagnostics = usageOf(cause, words);
  const end = words.indexOf("--");
  const flags = end < 0 ? words : words.slice(0, end);
  const shell = createShell({
    json: flags.includes("--json"),
    quiet: false,
    color: colorOf(flags),
    signal,
  });
  if (shell.json) write({ out: null, diagnostics: diagnostics.map(toJson) });
  shell.diagnose(diagnostics);
  return wrongUsage;
}

function usageOf(cause: Refusal, words: readonly string[]): readonly Diagnostic[] {
  if (cause instanceof GraftError) return cause.diagnostics;
  const [what = "", suggestion] = cause.message.replace(/^error: /, "").split("\n");
  const quoted = (text: string) => text.replace(/'([^']*)'/g, "`$1`").replace(/\.$/, "");
  const hint = suggestion?.replace(/^\(Did you mean (.*)\?\)$/, "did you mean `$1`?");
  if (cause.code === "commander.help") {
    const asked = words.find((word) => word !== "help" && !word.startsWith("-")) ?? "";
    const close = nearest(asked, commandNames);
    const notes = close
      ? [`did you mean \`${close}\`?`]
      : [`commands are ${commandNames.join(", ")}`];
    return [diagnostic("wrong-usage", { what: `No command is called \`${asked}\`` }, { notes })];
  }
  const notes = [...(hint ? [hint] : []), "`graftc --help` shows the commands and their flags"];
  const sentence = quoted(what.charAt(0).toUpperCase() + what.slice(1));
  return [diagnostic("wrong-usage", { what: sentence }, { notes })];
}

function colorOf(flags: readonly string[]): ColorMode {
  const at = flags.indexOf("--color");
  const mode = at < 0 ? flags.find((f) => f.startsWith("--color="))?.slice(8) : flags[at + 1];
  return mode === "always" || mode === "never" ? mode : "auto";
}

function isUsage({ code }: Diagnostic): boolean {
  return code in usageMessages;
}

/** Our own mistake, which the user can only report. */
function defect(cause: unknown): JsonDiagnostic {
  const message = cause instanceof Error ? cause.message : String(cause);
  const nowhere = { file: null, line: null, column: null, hint: null, related: [], notes: [] };
  return { code: "internal", severity: "error", message, ...nowhere };
}

function reportDefect(cause: unknown): void {
  const { message } = defect(cause);
  const stack = process.env.GRAFTC_DEBUG && cause instanceof Error ? `\n${cause.stack}` : "";
  process.stderr.write(
    `internal error: ${message}${stack}\n  = this is a bug in graftc, not in your files; ` +
      "GRAFTC_DEBUG=1 adds where it happened, for the report\n",
  );
}

function write(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}
