import type { Diagnostic } from "../diag/diagnostic.ts";
import type { Shell } from "./shell.ts";

/** What a command has to say once it is done. */
export interface Outcome {
  readonly code: 0 | 1 | 2;
  /** The document of `--json`, but for its `diagnostics`. */
  readonly json: Readonly<Record<string, unknown>>;
  /** For people, on stdout. */
  readonly text: string;
  /** The text is what was asked for, so `--quiet` leaves it. */
  readonly essential?: boolean;
  readonly diagnostics?: readonly Diagnostic[];
}

export interface Command<Arguments> {
  /** The document of `--json` when the command fails. */
  failed(given: Arguments): Readonly<Record<string, unknown>>;
  /** The exit code of a failure, where it is not 1. */
  readonly trouble?: 2;
  /** @throws GraftError for what the user can mend. */
  run(given: Arguments, shell: Shell): Promise<Outcome>;
}
