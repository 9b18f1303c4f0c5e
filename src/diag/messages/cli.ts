import { error } from "../template.ts";

/** Wrong usage: the request cannot be understood. Exit code 2. */
export const usageMessages = {
  "wrong-usage": error`${"what"}`,
  "unknown-command": error`graftc has no command \`${"word"}\`, and there is no model of that name`,
  "command-not-here": error`graftc ${"version"} does not have the command \`${"command"}\` yet`,
  "flag-not-here": error`graftc ${"version"} does not have the flag \`${"flag"}\` yet`,
  "out-missing": error`no output is named`,
  "data-not-given": error`no data is named`,
  "set-twice": error`\`--set ${"name"}\` is given twice`,
  "unknown-preset": error`no preset is called \`${"preset"}\``,
  "preset-size": error`${"flag"} ${"value"} does not fit ${"preset"}: ${"why"}`,
} as const;

export const cliMessages = {
  ...usageMessages,
  "unwritable-edits": error`Cannot write ${"path"}: ${"reason"}`,
} as const;
