/** `parallelize SEL by 2`: two blocks side by side on one input, their outputs merged. */
import { fail } from "../src/diag/diagnostic.ts";
import { inMemory } from "../src/ir/bytes.ts";
import type { Node, Value } from "../src/ir/graph.ts";
import { byteLength } from "../src/ir/types.ts";
import {
  byElement,
  commonLayout,
  filledBytes,
  type Layout,
  linearsOf,
} from "../src/lower/index.ts";
import type { Patch } from "../src/onnx-ops/patch.ts";
import type { PlannedEdit, Site } from "../src/plan/plan.ts";
import { aliasesOf, behindCasts, sameType } from "./graph/casts.ts";
import { sameShape } from "./graph/shapes.ts";
import { commit, nodesOf, now, patchFor, type Session } from "./session.ts";

type Parallelize = Extract<PlannedEdit, { verb: "parallelize" }>;

/** One residual stream of both blocks. */
interface Stream {
  /** What its merge is called. */
  readonly name: string;
  /** What enters the first. */
  readonly x: Value;
  /** What leaves the first. */
  readonly first: Value;
  /** What the second reads: that, or a cast of it. */
  readonly entry: Value;
  /** What leaves the second; null where a last block hands its second stream on no further. */
  readonly second: Value | null;
}

type Merged = Stream & { readonly second: Value };

/**
 * The second block reads what the first one reads. Whoever read the second block's output reads the
 * merged one; other readers of the first block's output (a long skip) go on reading just that.
 */
export function parallelize(
  edit: Parallelize,
  [first, second]: readonly [Site, Site],
  session: Session,
): void {
  const pair = `${first.label}, ${second.label}`;
  const refuse = (reason: string) =>
    fail("cannot-parallelize", { pair, reason }, { at: edit.statement.target.span });
  const taken = pairedBefore(first, second);
  if (taken) throw refuse(taken);
  const scope = first.block.prefix;
  const patch = patchFor(session, edit, first, scope);
  const nodes = nodesOf(session, second.block);
  const streams: Stream[] = [streamOf(first, second, session)];
  const context = contextOf(first, second, session, nodes);
  if (context) streams.push(context);
  for (const { x, first: middle, entry } of streams) {
    if (behindCasts(entry) !== behindCasts(middle)) {
      throw refuse("the second does not read what the first one makes");
    }
    redirect(patch, middle, entry, x, nodes);
  }
  const merged = streams.filter((stream): stream is Merged => stream.second !== null);
  const parts = [first, second].flatMap(({ block }) => [...block.parts.values()]);
  const layout = commonLayout(parts.flatMap(linearsOf));
  const layouts = new Map(merged.map(({ name }) => [`${scope}.${name}.weight`, layout] as const));
  for (const stream of merged) {
    const { name, second: end } = stream;
    if (!sameShape(stream.x, end)) {
      throw refuse("what leaves them has another shape than what enters them");
    }
    const [x, one] = [stream.x, stream.first].map((value) => sameType(patch, value, end));
    // A second block that earlier edits left nothing of hands on what it reads, which now is x.
    const empty = behindCasts(end) === behindCasts(stream.first);
    const both = { x: x!, first: one!, second: empty ? x! : end };
    patch.shunt(
      end,
      patch.within(name, () =>
        merge(patch, edit.merge, both, { name: `${scope}.${name}`, layout }),
      ),
    );
  }
  commit(session, patch, first, layouts);
}

/** What keeps neighbours apart that the model has as pairs, with each other or with others. */
function pairedBefore(first: Site, second: Site): string | null {
  if (first.block.input === second.block.input) return "they are a pair that does so already";
  for (const { stack, block, label } of [first, second]) {
    const other = stack.blocks.find((each) => each !== block && each.input === block.input);
    if (other) return `\`${label}\` is a pair with \`${stack.name}[${other.index}]\` already`;
  }
  return null;
}

/** Lets `nodes` read `x` instead; whoever else reads a cast that they make goes on reading that. */
function redirect(
  patch: Patch,
  middle: Value,
  entry: Value,
  x: Value,
  nodes: ReadonlySet<Node>,
): void {
  for (const alias of aliasesOf(middle, nodes).slice(1)) {
    const others = [...alias.uses].map(({ node }) => node).filter((node) => !nodes.has(node));
    if (others.length) patch.shunt(alias, sameType(patch, middle, alias), new Set(others));
  }
  for (const read of new Set([entry, middle])) patch.shunt(read, sameType(patch, x, read), nodes);
}

function streamOf(first: Site, second: Site, session: Session): Stream {
  return {
    name: "merge",
    x: now(session, first.block.input),
    first: now(session, first.block.output),
    entry: now(session, second.block.input),
    second: now(session, second.block.output),
  };
}

/** The second stream of joint blocks: of a last one perhaps no more than that it reads the first's. */
function contextOf(
  first: Site,
  second: Site,
  session: Session,
  nodes: ReadonlySet<Node>,
): Stream | null {
  const [one, other] = [first.block.context, second.block.context];
  if (!one?.output) return null;
  const left = now(session, one.output);
  const reads = aliasesOf(left, nodes).some(({ uses }) =>
    [...uses].some(({ node }) => nodes.has(node)),
  );
  if (!other && !reads) return null;
  return {
    name: "context_merge",
    x: now(session, one.input),
    first: left,
    entry: other ? now(session, other.input) : left,
    second: other?.output ? now(session, other.output) : null,
  };
}

function merge(
  patch: Patch,
  how: Parallelize["merge"],
  { x, first, second }: Pick<Merged, "x" | "first" | "second">,
  { name, layout }: { readonly name: string; readonly layout: Layout },
): Value {
  const types = [x.type];
  const { dtype } = x.type!;
  const op = (type: string, inputs: readonly Value[]) => patch.one(type, inputs, { types });
  if (how === "sum") return op("Sub", [op("Add", [first, second]), x]);
  if (how === "mean") return op("Mul", [op("Add", [first, second]), patch.scalar(dtype, 0.5)]);
  const shape = x.type!.shape!;
  const width = Number(shape.at(-1));
  const deltas = [op("Sub", [first, x]), op("Sub", [second, x])];
  const both = patch.one("Concat", deltas, {
    attributes: { axis: shape.length - 1 },
    types: [{ dtype, shape: shape.with(-1, 2 * width) }],
  });
  const turned = layout === "out,in";
  const stored = turned ? [width, 2 * width] : [2 * width, width];
  // [I I]: the sum of both updates.
  const identities = byElement((i) => (i % width === Math.floor(i / (2 * width)) ? 1 : 0));
  const data = filledBytes(identities, dtype, [width, 2 * width], !turned);
  const weight = patch.weight(`${name}.weight`, dtype, stored, data);
  const zeros = inMemory(new Uint8Array(byteLength(dtype, width)));
  const bias = patch.weight(`${name}.bias`, dtype, [width], zeros);
  const map = turned
    ? patch.one("Transpose", [weight], {
        attributes: { perm: [1, 0] },
        types: [{ dtype, shape: [2 * width, width] }],
      })
    : weight;
  return op("Add", [x, op("Add", [op("MatMul", [both, map]), bias])]);
}
