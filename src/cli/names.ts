/** Commands of the contract that this version does not have. */
export const laterCommands = ["train", "artifacts", "sample", "eval", "analyze", "bench"] as const;

export const commandNames = ["compile", "inspect", "check", "fmt", "diff", "new", "help"] as const;
