import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = "test/diagnostics/samples";

/** What somebody asked of graftc and what it has to say: a folder of test/diagnostics/samples. */
export interface Sample {
  readonly name: string;
  readonly folder: string;
  /** input.graft; "" where the sample is a command alone. */
  readonly text: string;
  /** From the first line, `// model: dit-tiny-dynamo20.onnx`; null: its syntax is all there is. */
  readonly model: string | null;
  /** The words of command.txt, null where there is none. */
  readonly command: readonly string[] | null;
  /** The file that holds the rendered diagnostics. */
  readonly expected: string;
}

function sampleOf(name: string): Sample {
  const folder = join(root, name);
  const read = (file: string) =>
    existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8") : null;
  const text = read("input.graft") ?? "";
  return {
    name,
    folder,
    text,
    model: /^\/\/ model: (\S+)/.exec(text)?.[1] ?? null,
    command: read("command.txt")?.trim().split(/\s+/) ?? null,
    expected: join(folder, "expected.txt"),
  };
}

export const samples: readonly Sample[] = readdirSync(root).sort().map(sampleOf);
