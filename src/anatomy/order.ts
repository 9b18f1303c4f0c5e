/** The order of several stacks: what feeds another comes first; else as the graph's inputs stand. */
import type { StackDraft } from "./drafts.ts";
import type { Flow, Op, Wire } from "./flow.ts";

export function inDataOrder(flow: Flow, stacks: readonly StackDraft[]): StackDraft[] {
  if (stacks.length < 2) return [...stacks];
  const ends = new Map<Wire, StackDraft>();
  for (const stack of stacks) for (const block of stack.blocks) ends.set(block.output, stack);
  const upstream = new Map<
    Op,
    { readonly stacks: ReadonlySet<StackDraft>; readonly input: number }
  >();
  const nothing = { stacks: new Set<StackDraft>(), input: Number.POSITIVE_INFINITY };
  const ofWire = (wire: Wire) => {
    const before = wire.from ? upstream.get(wire.from)! : nothing;
    const stack = ends.get(wire);
    const place = wire.value ? flow.graph.inputs.indexOf(wire.value) : -1;
    const input = place < 0 ? before.input : place;
    return { stacks: stack ? new Set([...before.stacks, stack]) : before.stacks, input };
  };
  for (const op of flow.ops) {
    const found = op.data.map(ofWire);
    const [first] = found;
    const same = found.every(({ stacks }) => stacks === first!.stacks);
    upstream.set(op, {
      stacks: first && same ? first.stacks : new Set(found.flatMap(({ stacks }) => [...stacks])),
      input: Math.min(...found.map(({ input }) => input), Number.POSITIVE_INFINITY),
    });
  }
  const entries = new Map(stacks.map((stack) => [stack, entryOf(stack, upstream, nothing)]));
  return [...stacks].sort((a, b) => {
    const [x, y] = [entries.get(a)!, entries.get(b)!];
    return (
      Number(x.stacks.has(b)) - Number(y.stacks.has(a)) ||
      x.stacks.size - y.stacks.size ||
      x.input - y.input
    );
  });
}

/** What reaches the end of a stack's first block, less the stack itself. */
function entryOf<T extends { readonly stacks: ReadonlySet<StackDraft>; readonly input: number }>(
  stack: StackDraft,
  upstream: ReadonlyMap<Op, T>,
  nothing: T,
): T {
  const { output, steps } = stack.blocks[0]!;
  const first = output.from && upstream.get(output.from);
  const found = first ?? upstream.get(steps[0]!.step.add) ?? nothing;
  return { ...found, stacks: new Set([...found.stacks].filter((other) => other !== stack)) };
}
