/** How far a prediction is from its target: scalars, means over all elements, in float32. */
import type { Wire } from "../../src/onnx-ops/wire.ts";
import type { Loss } from "./recipe.ts";

/** PyTorch's guard of cosine_similarity: the least that a length counts as. */
const shortest = 1e-8;

export function lossOf(loss: Loss, prediction: Wire, target: Wire): Wire {
  const [p, t] = [prediction.cast("float32"), target.cast("float32")];
  const error = () => p.sub(t);
  switch (loss.kind) {
    case "l1":
      return meanOf(error().abs());
    case "l2":
      return meanOf(error().square());
    case "huber": {
      const size = error().abs();
      const near = size.min(loss.delta);
      return meanOf(near.mul(size.sub(near.mul(0.5))));
    }
    case "cosine":
      return meanOf(cosineOf(p, t)).from(1);
  }
}

/** The same against the targets of several predictions, on average. */
export function averageLossOf(loss: Loss, pairs: readonly (readonly [Wire, Wire])[]): Wire {
  const losses = pairs.map(([prediction, target]) => lossOf(loss, prediction, target));
  return losses[0]!.grower.sum(losses).div(losses.length);
}

/** Cross-entropy of logits [..., classes] with whole-numbered labels [...]. */
export function crossEntropy(logits: Wire, labels: Wire): Wire {
  const { grower } = logits;
  const axis = logits.rank - 1;
  const likelihoods = grower.one("LogSoftmax", [logits.cast("float32")], { attributes: { axis } });
  const indices = labels.cast("int64").unsqueeze([axis]);
  const chosen = grower.one("GatherElements", [likelihoods, indices], { attributes: { axis } });
  return meanOf(chosen).neg();
}

/** Along the last axis, whose length is guarded before the root so that zeros have a slope. */
function cosineOf(a: Wire, b: Wire): Wire {
  const last = [a.rank - 1];
  const length = (x: Wire) =>
    x
      .square()
      .sum(last)
      .max(shortest ** 2)
      .sqrt();
  return a
    .mul(b)
    .sum(last)
    .div(length(a).mul(length(b)));
}

function meanOf(x: Wire): Wire {
  return x.mean(undefined, false);
}
