/** What the statements of a .graft file mean on one model: sites found, arguments bound. */
import type * as ast from "../../grammar/ast.ts";
import type { Anatomy, Block, Part, Stack } from "../anatomy/anatomy.ts";

export interface Plan {
  readonly anatomy: Anatomy;
  /** In the order written, rewrites included where they stand. */
  readonly edits: readonly PlannedEdit[];
  readonly ensures: readonly ast.Ensure[];
  /** distill and finetune, which compile does not run. */
  readonly recipes: readonly ast.Recipe[];
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
