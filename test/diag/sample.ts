import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SourceText } from "../../src/diag/span.ts";

const root = "test/diagnostics/samples";

/** A text and what graftc has to say about it: a folder of test/diagnostics/samples. */
export interface Sample {
  readonly name: string;
  readonly folder: string;
  readonly source: SourceText;
  /** From the first line, `// model: dit-tiny-dynamo20.onnx`; null: its syntax is all there is. */
  readonly model: string | null;
  /** The words of command.txt, null where there is none. */
  readonly command: readonly string[] | null;
  /** The file that holds the rendered diagnostics. */
  readonly expected: string;
}

function sampleOf(name: string): Sample {
  const folder = join(root, name);
  const text = readFileSync(join(folder, "input.graft"), "utf8");
  const command = join(folder, "command.txt");
  return {
    name,
    folder,
    source: { path: "input.graft", text },
    model: /^\/\/ model: (\S+)/.exec(text)?.[1] ?? null,
    command: existsSync(command) ? readFileSync(command, "utf8").trim().split(/\s+/) : null,
    expected: join(folder, "expected.txt"),
  };
}

export const samples: readonly Sample[] = readdirSync(root).sort().map(sampleOf);
