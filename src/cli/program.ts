/** The commands and their flags, as cli.md has them. Each command's work is loaded when it runs. */
import { Argument, Command as Commander, Option } from "commander";
import { fail } from "../diag/diagnostic.ts";
import {
  atLeastOne,
  type CompileFlags,
  collected,
  deviceOf,
  type EditFlags,
  type NewFlags,
  settingOf,
  type TrainFlags,
  wholeNumber,
} from "./flags.ts";
import { laterCommands } from "./names.ts";
import type { Command } from "./outcome.ts";
import type { ColorMode } from "./shell.ts";
import { version } from "./version.ts";

export interface CommonFlags {
  readonly json?: true;
  readonly quiet?: true;
  readonly color: ColorMode;
}

export type Perform = <A>(command: Command<A>, given: A, flags: CommonFlags) => Promise<void>;

export function createProgram(perform: Perform): Commander {
  const program = new Commander("graftc")
    .description("Edits pretrained ONNX transformers, as .graft files say.")
    .usage("MODEL EDITS... -o OUT\n       graftc COMMAND ...")
    .version(version)
    .helpCommand("help [command]", "the flags of one command")
    .addOption(new Option("--json", "one JSON document on stdout"))
    .addOption(new Option("-q, --quiet", "errors only"))
    .addOption(
      new Option("--color <when>", "colours").choices(["auto", "always", "never"]).default("auto"),
    )
    .configureHelp({ showGlobalOptions: true, helpWidth: 100 })
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .exitOverride();

  /** The flags of all commands stand before or behind the command's own. */
  const common = () => program.opts<CommonFlags>();

  addCompile(program, perform, common);
  addReaders(program, perform, common);
  addNew(program, perform, common);
  addTraining(program, perform, common);
  for (const name of laterCommands) {
    program
      .command(name, { hidden: true })
      .argument("[words...]")
      .helpOption(false)
      .allowUnknownOption()
      .action(() => {
        throw fail("command-not-here", { version, command: name });
      });
  }
  return program.addHelpText("after", examples);
}

type Common = () => CommonFlags;

function addCompile(program: Commander, perform: Perform, common: Common): void {
  const command = program
    .command("compile", { isDefault: true })
    .description("apply edits to a model (what graftc does when the first word is no command)")
    .argument("<model>", "the ONNX model")
    .argument("[edits...]", ".graft files, applied in order")
    .option("-o, --out <file>", "the model to write; external data goes to <file>.data");
  withWriting(withEdits(command)).action(
    async (model: string, edits: string[], flags: CompileFlags) => {
      const { compile } = await import("./commands/compile.ts");
      await perform(compile, { model, edits, ...flags }, common());
    },
  );
}

/** Flags of whatever edits a model. */
function withEdits(command: Commander): Commander {
  return command
    .option("--set <name=value>", "a param of the edits", settingOf)
    .option("--seed <n>", "seeds the new weights, and the training", wholeNumber, 0)
    .option("--weights <file[@site]>", "new weights by name, from .safetensors", collected)
    .option("--weights-partial", "unused and missing names are no errors")
    .option("--analysis <report.json>", "the measures that selections rank by");
}

/** Flags of whatever writes the edited model. */
function withWriting(command: Commander): Commander {
  return command
    .option("--dry-run", "plan and report, write nothing")
    .option("--explain", "why each selection matched, and the nearest misses")
    .addOption(
      new Option("--external <way>", "where weights go")
        .choices(["auto", "inline", "file", "share"])
        .default("auto"),
    )
    .option("--verify", "run both models and compare their outputs")
    .option("--device <device>", "cpu, cuda or cuda:N", deviceOf, "cpu");
}

function addTraining(program: Commander, perform: Perform, common: Common): void {
  const train = program
    .command("train")
    .description("compile, then run the recipe blocks in order and write the trained model")
    .argument("<model>", "the ONNX model")
    .argument("[edits...]", ".graft files, applied in order")
    .option("-o, --out <file>", "the trained model")
    .option("--data <path>", ".safetensors, .npz, .npy, or a folder of them")
    .option("--run <dir>", "checkpoints, log.jsonl and loss.svg (OUT.run)")
    .option("--resume", "go on where the run stopped")
    .option("--steps <n>", "in place of the recipe's", atLeastOne)
    .option("--batch <n>", "in place of the recipe's", atLeastOne);
  withWriting(withEdits(train)).action(
    async (model: string, edits: string[], flags: TrainFlags) => {
      const { train } = await import("./commands/train.ts");
      await perform(train, { model, edits, ...flags }, common());
    },
  );
  const artifacts = program
    .command("artifacts")
    .description("the training graphs alone, for any host with a stock ONNX Runtime")
    .argument("<model>", "the ONNX model")
    .argument("[edits...]", ".graft files, applied in order")
    .option("-o, --out <dir>", "the folder for the graphs, the checkpoint and training.json");
  withEdits(artifacts).action(async (model: string, edits: string[], flags: EditFlags) => {
    const { artifacts } = await import("./commands/artifacts.ts");
    await perform(artifacts, { model, edits, ...flags }, common());
  });
}

function addReaders(program: Commander, perform: Perform, common: Common): void {
  program
    .command("inspect")
    .description("what graftc sees: inputs, outputs, size, blocks and their parts")
    .argument("<model>", "the ONNX model")
    .action(async (model: string) => {
      const { inspect } = await import("./commands/inspect.ts");
      await perform(inspect, { model }, common());
    });
  program
    .command("check")
    .description("every diagnostic of .graft files; writes nothing")
    .argument("<edits...>", ".graft files")
    .option("--model <model>", "also check selections and types on this model")
    .option("--set <name=value>", "a param of the edits", settingOf)
    .option("--analysis <report.json>", "the measures that selections rank by")
    .action(async (edits: string[], flags: { model?: string; set?: Record<string, string> }) => {
      const { check } = await import("./commands/check.ts");
      await perform(check, { edits, ...flags }, common());
    });
  program
    .command("fmt")
    .description("format .graft files in place; `-` formats stdin to stdout")
    .argument("<edits...>", ".graft files")
    .option("--check", "only name the files that would change (exit 1)")
    .action(async (edits: string[], flags: { check?: boolean }) => {
      const { fmt } = await import("./commands/fmt.ts");
      await perform(fmt, { edits, check: flags.check ?? false }, common());
    });
  program
    .command("diff")
    .description("what differs, by block and part; exit 0 same, 1 different, 2 trouble")
    .argument("<a>", "an ONNX model")
    .argument("<b>", "another")
    .addOption(new Option("--html <file>").hideHelp())
    .action(async (a: string, b: string, flags: { html?: string }) => {
      if (flags.html !== undefined) throw fail("flag-not-here", { version, flag: "--html" });
      const { diff } = await import("./commands/diff.ts");
      await perform(diff, { a, b }, common());
    });
}

function addNew(program: Commander, perform: Perform, common: Common): void {
  program
    .command("new")
    .description("a model with random weights")
    .addArgument(new Argument("<preset>", "dit-s/2, dit-b/2, dit-l/2, dit-xl/2 or pixart-sigma"))
    .option("-o, --out <file>", "the model to write")
    .option("--depth <n>", "blocks", atLeastOne)
    .option("--width <n>", "of the residual stream", atLeastOne)
    .option("--heads <n>", "attention heads; they divide the width", atLeastOne)
    .option("--tokens <n>", "a square number: the patches of the image", atLeastOne)
    .option("--seed <n>", "seeds the weights", wholeNumber, 0)
    .action(async (preset: string, flags: NewFlags) => {
      const { create } = await import("./commands/new.ts");
      await perform(create, { preset, ...flags }, common());
    });
}

const examples = `
A first word that is a command is the command; write ./new for a file of that name.

  graftc model.onnx edits.graft -o out.onnx
  graftc inspect model.onnx
  graftc diff model.onnx out.onnx`;
