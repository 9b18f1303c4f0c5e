import { error } from "../template.ts";

export const gradientMessages = {
  "rank-unknown": error`Nothing is known of the shape of \`${"name"}\`: ${"type"}`,
  "no-gradient": error`\`${"op"}\` has no gradient rule, and ${"nodes"} stand between the loss and trained weights: ${"names"}`,
  "weight-without-gradient": error`The loss does not depend on ${"weights"}: ${"names"}`,
};
