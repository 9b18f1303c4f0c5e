/**
 * What stands at each place of the grammar, to follow "expected": by rule and token, or by rule
 * alone where several tokens could begin it. `ident` stands for a name in the rule that asks for it.
 */
export const expectations: Readonly<Record<string, string>> = {
  "use.String": "the path of a file, in quotes",
  "param.ident": "the param's name",
  "param.=": "`=` after the param's name",
  "ensure.}": "`,` or `}` after the bound",
  bound: "a bound such as `parameters: < 640M`",
  "bound.ident": "a bound such as `parameters: < 640M`",
  "bound.:": "`:` after the key",
  "bound.Bound": "`<`, `<=`, `==`, `>=` or `>` after the colon",
  "record.}": "`,` or `}` after the entry",
  entry: "an entry such as `steps: 2000`",
  "entry.ident": "an entry such as `steps: 2000`",
  "entry.:": "`:` after the key",
  trainSelection: "`all` or a selection",

  "replace.with": "`with` after the selection",
  "replace.ident": "`inherit` or `fresh` after `init`",
  "operatorUse.ident": "an operator after `with`",
  "resize.to": "`to` after the selection",
  "resize.ident": "`ratio`, `hidden` or `heads` after `to`",
  "parallelize.by": "`by` after the selection",
  "parallelize.ident": "`linear`, `sum` or `mean` after `merge`",
  "repeat.times": "`times` after the selection",
  selection: "a selection such as `blocks[0..3].attn`",
  "steps.Step": "a name after the dot",
  index: "the blocks to select",
  items: "the blocks to select",
  "index.]": "`]` after the index",
  "ranked.by": "`by` and a measure",
  share: "a count or a share such as `50%`",
  count: "a whole number or the name of a param",

  "operator.ident": "a name",
  "formals.)": "`,` or `)` after the parameter",
  formal: "a parameter such as `kernel: int = 4`",
  "formal.ident": "a parameter such as `kernel: int = 4`",
  "formal.:": "`:` and a type after the parameter's name",
  "body.}": "a line of the operator, or `}`",
  "layer.ident": "a name",
  "layer.=": "`=` after the layer's name",
  "weight.ident": "the weight's name",
  "weight.:": "`:` and a shape after the weight's name",
  "weight.=": "`=` and an initial value after the shape",
  "as.String": "the stored name, in quotes",
  branch: "`{` or `if` after `else`",
  names: "a name",
  line: "a value after `return`",
  "assign.=": "`=` after the name",

  "rewrite.ident": "the rewrite's name",
  "rewrite.{": "`{` after the rewrite's name",
  "rewrite.match": "`match` and a pattern",
  "rewrite.with": "`with` and what the match becomes",
  rewrite: "what the match becomes, such as `h = Gelu(x)`",
  "rewrite.}": "`}` after the rewrite",
  "match.=": "`=` after the name",
  pattern: "a pattern",
  patternAtom: "a pattern",
  "patternArgs.)": "`,` or `)` after the pattern",

  atom: "a value",
  "atom.)": "`)` after the expression",
  arg: "an argument",
  "args.)": "`,` or `)` after the argument",
  "list.]": "`,` or `]` after the element",
  "subscript.]": "`,` or `]` after the index",
  subscript: "an index or a slice",
  slice: "an index or a slice",
  "postfix.Word": "a name after the dot",
};

/** What is in the brackets of a rule: missing where nothing but the opening one is there. */
export const contents: Readonly<Record<string, string>> = {
  ensure: "bound",
  record: "entry",
  formals: "formal",
  args: "arg",
  list: "atom",
  patternArgs: "patternAtom",
};

/** How a statement or line is written, shown below an error in it: by rule. */
export const forms: Readonly<Record<string, string>> = {
  use: 'use "FILE.graft"',
  param: "param NAME = VALUE",
  expect: "expect { blocks: 28, width: 1152 }",
  ensure: "ensure { parameters: < 640M, flops: <= 5G }",
  replace: "replace SELECTION with OPERATOR(...) [init inherit|fresh] [optional|expect N]",
  resize: "resize SELECTION to ratio|hidden|heads N [optional|expect N]",
  parallelize: "parallelize SELECTION by 2 [merge linear|sum|mean] [optional|expect N]",
  remove: "remove SELECTION [optional|expect N]",
  repeat: "repeat SELECTION times N [optional|expect N]",
  operator: "operator NAME(PARAMETER: TYPE = DEFAULT, ...) [for attn|mlp|...] { ... }",
  rewrite: "rewrite NAME [in SELECTION] { match ... [where ...] with ... } [optional|expect N]",
  recipe: "distill|finetune { KEY: VALUE, ... }",
  index:
    "[3], [0, 5..9], [1..27 by 2], [all], [odd], [first 7], [last 50%], [all except 0], [top 4 by M]",
  layer: 'layer NAME = KIND(...) [from host.PART] [init VALUE] [as "STORED NAME"]',
  weight: 'weight NAME: [SHAPE] = VALUE [from host.PART] [as "STORED NAME"]',
};

/** Rules that give a name to something: a word of the language there was meant to be that name. */
export const definers: ReadonlySet<string> = new Set([
  ...["param", "operator", "formal", "layer", "weight", "names", "rewrite", "bound", "entry"],
]);
