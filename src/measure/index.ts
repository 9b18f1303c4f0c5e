export { assumedSize, flops, sizesAtBatch1, staticBatch, uncounted } from "./flops.ts";
export { evaluateDim } from "./sizes.ts";
export { isParameter, nodeCount, parameters } from "./weights.ts";
