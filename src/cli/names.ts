/** Commands of the contract that this version does not have. */
export const laterCommands = ["sample", "eval", "analyze", "bench"] as const;

export const commandNames = [
  "compile",
  "inspect",
  "check",
  "fmt",
  "diff",
  "new",
  "train",
  "artifacts",
  "help",
] as const;
