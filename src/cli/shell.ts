/** What a command may do to the outside: say something, show progress, hear that it is to stop. */
import pc from "picocolors";
import type { Diagnostic } from "../diag/diagnostic.ts";
import { renderDiagnostics } from "../diag/render.ts";
import { createProgress, type Progress } from "./progress.ts";

export type Colors = ReturnType<typeof pc.createColors>;

export interface Shell {
  readonly json: boolean;
  readonly quiet: boolean;
  /** For what goes to stdout. */
  readonly colors: Colors;
  /** Aborted by signals that end a process. */
  readonly signal: AbortSignal;
  /** Writes to stdout; nothing under `--json`. */
  print(text: string): void;
  /** Writes to stderr. */
  say(text: string): void;
  /** Diagnostics on stderr; under `--quiet` errors alone. */
  diagnose(diagnostics: readonly Diagnostic[]): void;
  /** A bar on a terminal, plain lines otherwise, nothing under `--quiet`. */
  readonly progress: Progress;
}

export type ColorMode = "auto" | "always" | "never";

/** `--color` decides; `auto` asks the stream, and NO_COLOR says no. */
function wantsColor(mode: ColorMode, stream: NodeJS.WriteStream): boolean {
  if (mode !== "auto") return mode === "always";
  return Boolean(stream.isTTY) && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}

export interface ShellOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly color: ColorMode;
  readonly signal: AbortSignal;
}

/** Nobody reads more; `--json` has them all. */
const mostShown = 100;

export function createShell({ json, quiet, color, signal }: ShellOptions): Shell {
  const { stdout, stderr } = process;
  const errorColor = wantsColor(color, stderr);
  const progress = createProgress(stderr, quiet ? "silent" : stderr.isTTY ? "bar" : "lines");
  return {
    json,
    quiet,
    colors: pc.createColors(wantsColor(color, stdout)),
    signal,
    progress,
    print(text) {
      if (!json) stdout.write(ended(text));
    },
    say(text) {
      progress.clear();
      stderr.write(ended(text));
    },
    diagnose(diagnostics) {
      const shown = diagnostics.filter(({ severity }) => !quiet || severity === "error");
      if (shown.length === 0) return;
      this.say(renderDiagnostics(shown.slice(0, mostShown), { color: errorColor }));
      if (shown.length > mostShown) this.say(`\n... and ${shown.length - mostShown} more`);
    },
  };
}

function ended(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}

/** A closed pipe (`| head`) ends the talking, not the work; a full disk is a failure. */
export function watchStreams(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "EPIPE") return;
      process.exitCode = 1;
      if (stream === process.stdout) {
        process.stderr.write(`graftc: cannot write to stdout: ${cause.message}\n`);
      }
    });
  }
}
