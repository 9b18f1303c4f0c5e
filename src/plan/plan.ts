/** What the statements of a .graft file mean on one model: sites found, arguments bound. */
import type * as ast from "../../grammar/ast.ts";
import type { Anatomy, Block, Part, Stack } from "../anatomy/anatomy.ts";
import type { SourceText, Span } from "../diag/span.ts";

export interface Plan {
  readonly anatomy: Anatomy;
  /** In the order written. */
  readonly edits: readonly PlannedEdit[];
  /** For `checkEnsures`, when there is a result. */
  readonly ensures: readonly PlannedBound[];
  /** distill and finetune, which compile does not run. */
  readonly recipes: readonly PlannedRecipe[];
  /** The texts that the plan was made from, and `--set`, for the model's metadata. */
  readonly sources: readonly SourceText[];
  readonly settings: ReadonlyMap<string, string>;
}

/** One selected place. */
export interface Site {
  /** `blocks[1].attn`, with the index that `graftc inspect` prints. */
  readonly label: string;
  readonly stack: Stack;
  readonly block: Block;
  /** null: the whole block. */
  readonly part: Part | null;
}

interface Planned<S extends ast.Edit> {
  readonly statement: S;
  /** `slim.graft:4` */
  readonly place: string;
  readonly sites: readonly Site[];
}

export type PlannedEdit =
  | (Planned<ast.Replace> & {
      readonly verb: "replace";
      readonly operator: ast.Operator;
      /** The file's operators and params, for the lowering. */
      readonly scope: OperatorScope;
      readonly args: ReadonlyMap<string, ArgValue>;
      readonly inherit: boolean;
    })
  | (Planned<ast.Resize> & {
      readonly verb: "resize";
      readonly quantity: "ratio" | "hidden" | "heads";
      readonly amount: number;
    })
  | (Planned<ast.Parallelize> & {
      readonly verb: "parallelize";
      /** Consecutive blocks that will run side by side. */
      readonly pairs: readonly (readonly [Site, Site])[];
      readonly merge: "linear" | "sum" | "mean";
    })
  | (Planned<ast.Remove> & { readonly verb: "remove" })
  | (Planned<ast.Repeat> & { readonly verb: "repeat"; readonly times: number });

/** One bound of `ensure`. */
export interface PlannedBound {
  readonly key: "parameters" | "flops" | "bytes" | "blocks";
  readonly op: ast.Bound["op"];
  readonly limit: number;
  readonly span: Span;
}

/** `distill` or `finetune`, checked; what it does not say is left out. */
export interface PlannedRecipe {
  readonly stage: ast.Recipe["stage"];
  readonly statement: ast.Recipe;
  readonly settings: ReadonlyMap<string, RecipeValue>;
}

export type RecipeValue =
  | { readonly kind: "number"; readonly value: number }
  /** `samples: 10%` is 0.1 */
  | { readonly kind: "share"; readonly value: number }
  /** `step(every: 500, by: 0.5)`, defaults filled in */
  | {
      readonly kind: "choice";
      readonly name: string;
      readonly args: ReadonlyMap<string, number | boolean>;
    }
  /** `diffusion + 0.5 * output` */
  | {
      readonly kind: "sum";
      readonly terms: readonly { readonly weight: number; readonly name: string }[];
    }
  /** Inputs of the model by role. */
  | { readonly kind: "inputs"; readonly inputs: ReadonlyMap<string, string> }
  | {
      readonly kind: "train";
      readonly base: "new" | "all" | null;
      readonly sites: readonly Site[];
      /** Initializers, or modules, outside of blocks. */
      readonly names: readonly string[];
    };

export type ArgValue = number | boolean | string;

/** What names mean inside an operator: its own file's, then what that uses, then the built-in ones. */
export interface OperatorScope {
  /** Built-in operators are parsed when they are first asked for. */
  readonly operators: Pick<ReadonlyMap<string, ast.Operator>, "get" | "has" | "keys">;
  /** Params of the file, `--set` applied: constants in its edits and operators. */
  readonly params: ReadonlyMap<string, ArgValue>;
  /** The scope of the file that an operator found in `operators` was written in. */
  scopeOf(operator: ast.Operator): OperatorScope;
}
