/**
 * The port through which the compiler asks an ONNX runtime. runtime/ fills it in; compile.ts passes
 * it down; nothing below imports a runtime.
 */
import type { Graph, Initializer, Model } from "./graph.ts";
import type { TensorType } from "./types.ts";

export interface Oracle {
  /**
   * The type of every value of the model's main graph, by name, from shapes and types alone: no
   * weight is read. Symbolic sizes of the inputs come back under their names (`batch`), products of
   * them as `2*batch`, others as `?1`, ...
   * Nodes of unknown operators are left out: their outputs, and what only they reach, are absent.
   */
  inferTypes(model: Model, graph?: Graph): Promise<ReadonlyMap<string, TensorType>>;

  /**
   * Output types of one node applied to inputs of these types (null: left out). An input that is
   * known now, the shape of a Reshape say, is given as an initializer.
   * @throws Error with the runtime's own words when it refuses them.
   */
  inferNode(
    node: NodeSketch,
    inputs: readonly (TensorType | Initializer | null)[],
  ): Promise<TensorType[]>;

  /** Values of one node's outputs on constant inputs. */
  evaluateNode(node: NodeSketch, inputs: readonly (Initializer | null)[]): Promise<Initializer[]>;
}

export interface NodeSketch {
  readonly opType: string;
  readonly domain: string;
  readonly attributes: ReadonlyMap<string, import("./graph.ts").Attribute>;
  readonly opsets: ReadonlyMap<string, number>;
  readonly outputs: number;
}
