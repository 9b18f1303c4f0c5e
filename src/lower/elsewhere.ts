/** What functions of other libraries are called here, for messages. */

const ways: Readonly<Record<string, string>> = {
  False: "`false`",
  None: "`none`",
  True: "`true`",
  amax: "`max(x, axis: ...)`",
  amin: "`min(x, axis: ...)`",
  arange: "outside of weights it is `range(n)`",
  avg_pool2d: "`AveragePool(x, kernel_shape: [3, 3], ...)`",
  bmm: "`a @ b`",
  cat: "`concat(a, b, axis: ...)`",
  chunk: "`split(x, parts, axis: ...)`",
  clamp: "`clip(x, low, high)`",
  clone: "there is none: values never change",
  contiguous: "there is none: values never change",
  cumprod: "`exp(cumsum(log(x)))`",
  detach: "there is none: write the value itself",
  dot: "`a @ b`",
  dropout: "there is none: what is compiled does not drop",
  flatten: "`reshape(x, shape)`",
  len: "`x.shape[0]`",
  masked_fill: "`select(condition, value, x)`",
  max_pool2d: "`MaxPool(x, kernel_shape: [3, 3], ...)`",
  mm: "`a @ b`",
  moveaxis: "`transpose(x, order)`",
  movedim: "`transpose(x, order)`",
  norm: "`sqrt(sum(square(x)))`",
  one_hot: "`float(x[.., none] == range(n))`",
  ones_like: "`ones(x.shape)`",
  outer: "`a[:, none] * b`",
  permute: "`transpose(x, order)`",
  rand: "`uniform(0, 1)` fills a weight",
  randn: "`normal(1)` fills a weight",
  repeat: "`tile(x, times, axis: ...)`",
  scaled_dot_product_attention: "`softmax(q @ transpose(k) * scale + mask) @ v`",
  size: "`x.shape[axis]`",
  sort: "`TopK(x, [n], axis: ...)` gives values and indices",
  std: "`sqrt(var(x))`, of all n",
  swapaxes: "`transpose(x, order)`",
  topk: "`TopK(x, [k], axis: ...)` gives values and indices",
  view: "`reshape(x, shape)`",
  where: "`select(condition, a, b)`",
  zeros_like: "`zeros(x.shape)`",
};

const layers = new Set(
  "linear conv1d causal_conv1d conv2d layer_norm rms_norm embedding".split(" "),
);

const namespaces = new Set("torch nn F np math functional".split(" "));

/** How one writes what other libraries call `name`; undefined for what none of them has. */
export function wayOf(name: string): string | undefined {
  if (layers.has(name)) {
    return `it has weights: declare \`layer NAME = ${name}(...)\`, and call that`;
  }
  if (namespaces.has(name)) return "functions stand alone: `softmax(x)`";
  return Object.hasOwn(ways, name) ? ways[name] : undefined;
}
