/** `parallelize SEL by 2`: two blocks side by side on one input, their outputs merged. */
import { fail } from "../src/diag/diagnostic.ts";
import { inMemory } from "../src/ir/bytes.ts";
import type { Value } from "../src/ir/graph.ts";
import { byteLength, type DType } from "../src/ir/types.ts";
import { encodeElements } from "../src/onnx-ops/elements.ts";
import type { Patch } from "../src/onnx-ops/patch.ts";
import type { PlannedEdit, Site } from "../src/plan/plan.ts";
import { sameType } from "./graph/casts.ts";
import { sameShape } from "./graph/shapes.ts";
import { commit, nodesOf, now, patchFor, type Session, scopeOfBlock } from "./session.ts";

type Parallelize = Extract<PlannedEdit, { verb: "parallelize" }>;

/** What enters both blocks, and what leaves each: one residual stream of them. */
interface Stream {
  readonly x: Value;
  readonly first: Value;
  readonly second: Value;
}

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
  const scope = scopeOfBlock(first);
  const patch = patchFor(session, edit, first, scope);
  const nodes = nodesOf(session, second.block);
  const streams: [name: string, stream: Stream][] = [["merge", streamOf(first, second, session)]];
  const context = contextOf(first, second, session);
  if (context) {
    patch.shunt(context.first, sameType(patch, context.x, context.first), nodes);
    if (context.second) streams.push(["context_merge", context as Stream]);
  }
  const [, main] = streams[0]!;
  const entry = now(session, second.block.input);
  if (behindCasts(entry) !== behindCasts(main.first)) {
    throw refuse("the second does not read what the first one makes");
  }
  for (const read of new Set([entry, main.first])) {
    patch.shunt(read, sameType(patch, main.x, read), nodes);
  }
  const layouts = new Map(streams.map(([name]) => [`${scope}.${name}.weight`, "in,out"] as const));
  for (const [name, stream] of streams) {
    if (!sameShape(stream.x, stream.second)) {
      throw refuse("what leaves them has another shape than what enters them");
    }
    const typed: Stream = {
      x: sameType(patch, stream.x, stream.second),
      first: sameType(patch, stream.first, stream.second),
      second: stream.second,
    };
    const merged = patch.within(name, () => merge(patch, edit.merge, typed, `${scope}.${name}`));
    patch.shunt(stream.second, merged);
  }
  commit(session, patch, first, layouts);
}

/** Some exporters cast the stream to its own type wherever a norm reads it. */
function behindCasts(value: Value): Value {
  const { producer } = value;
  const source = producer && /^(Cast|Identity)$/.test(producer.op) ? producer.inputs[0] : null;
  return source ? behindCasts(source) : value;
}

function streamOf(first: Site, second: Site, session: Session): Stream {
  const [x, y, z] = [first.block.input, first.block.output, second.block.output];
  return { x: now(session, x), first: now(session, y), second: now(session, z) };
}

/** The second stream of joint blocks; a last block may read it and hand nothing on. */
function contextOf(first: Site, second: Site, session: Session) {
  const [one, other] = [first.block.context, second.block.context];
  if (!one?.output || !other) return null;
  return {
    x: now(session, one.input),
    first: now(session, one.output),
    second: other.output && now(session, other.output),
  };
}

function merge(patch: Patch, how: Parallelize["merge"], stream: Stream, name: string): Value {
  const { x, first, second } = stream;
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
  const weight = patch.weight(`${name}.weight`, dtype, [2 * width, width], {
    kind: "computed",
    length: byteLength(dtype, 2 * width * width),
    compute: () => twoIdentities(dtype, width),
  });
  const zeros = inMemory(new Uint8Array(byteLength(dtype, width)));
  const bias = patch.weight(`${name}.bias`, dtype, [width], zeros);
  return op("Add", [x, op("Add", [op("MatMul", [both, weight]), bias])]);
}

/** [I I] as [in, out]: the sum of both updates. */
function twoIdentities(dtype: DType, width: number): Uint8Array {
  const values = new Float32Array(2 * width * width);
  for (let row = 0; row < 2 * width; row++) values[row * width + (row % width)] = 1;
  return encodeElements(dtype, values);
}
