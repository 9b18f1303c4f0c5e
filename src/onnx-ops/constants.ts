import { digestOf } from "../ir/bytes.ts";
import type { Graph, Node, Value } from "../ir/graph.ts";
import { byteLength, type DType, elements } from "../ir/types.ts";

/** Large constants of several patches of one graph, by what they are. */
export type SharedConstants = Map<string, Value>;

/** Smaller ones stay with those who read them, and bear their names. */
const worthSharing = 1024;

/** The constants of a patch: equal ones are one node, large ones also with those of other patches. */
export class Constants {
  readonly #own = new Map<string, Value>();
  readonly #shared: SharedConstants;
  readonly #graph: Graph;

  constructor(graph: Graph, shared: SharedConstants = new Map()) {
    this.#graph = graph;
    this.#shared = shared;
  }

  /** @param make called where there is none like it. */
  of(dtype: DType, shape: readonly number[], bytes: Uint8Array, make: () => Value): Value {
    const key = `${dtype}[${shape}]${digestOf(bytes)}`;
    const own = this.#own.get(key);
    if (own) return own;
    const other = this.#shared.get(key);
    if (other?.producer?.graph === this.#graph) return other;
    const value = make();
    this.#own.set(key, value);
    return value;
  }

  forget(gone: (node: Node) => boolean): void {
    for (const [key, { producer }] of this.#own) if (gone(producer!)) this.#own.delete(key);
  }

  /** Lets other patches have those of a patch that is committed. */
  share(): void {
    for (const [key, value] of this.#own) if (isLarge(value)) this.#shared.set(key, value);
  }
}

function isLarge({ type }: Value): boolean {
  return byteLength(type!.dtype, elements(type!.shape as readonly number[])) >= worthSharing;
}
