import { error } from "../template.ts";

/** Wrong usage: the request cannot be understood. Exit code 2. */
export const usageMessages = {
  "wrong-usage": error`${"what"}`,
  "unknown-command": error`There is no command \`${"word"}\`, and no model of that name`,
  "command-not-here": error`The command \`${"command"}\` is not in graftc ${"version"} yet`,
  "flag-not-here": error`The flag \`${"flag"}\` is not in graftc ${"version"} yet`,
  "arguments-swapped": error`${"path"} is a file of edits and stands where the model belongs`,
  "out-missing": error`No output is named`,
  "data-not-given": error`No data is named`,
  "set-twice": error`\`--set ${"name"}\` is given twice`,
  "unknown-preset": error`No preset is called \`${"preset"}\``,
  "preset-size": error`${"flag"} ${"value"} does not fit ${"preset"}: ${"why"}`,
} as const;

export const cliMessages = {
  ...usageMessages,
  "unwritable-edits": error`Cannot write ${"path"}: ${"reason"}`,
} as const;
