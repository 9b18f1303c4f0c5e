/**
 * Sites in few words: `blocks[1].attn`, `blocks[3].attn`, ... become `blocks[1, 3, 5].attn`, longer
 * series `blocks[1, 3, ..., 27].attn`. Labels of another form stay as they are.
 */
export function collapseSites(labels: readonly string[]): string {
  const series = new Map<string, { prefix: string; suffix: string; indices: number[] }>();
  for (const label of labels) {
    const [, prefix, index, suffix] = /^(.*)\[(\d+)\](.*)$/.exec(label) ?? [];
    const key = prefix === undefined ? label : `${prefix}[]${suffix}`;
    const entry = series.get(key) ?? { prefix: prefix ?? label, suffix: suffix ?? "", indices: [] };
    if (index !== undefined) entry.indices.push(Number(index));
    series.set(key, entry);
  }
  return [...series.values()]
    .map(({ prefix, suffix, indices }) =>
      indices.length === 0 ? prefix : `${prefix}[${showIndices(indices)}]${suffix}`,
    )
    .join(", ");
}

function showIndices(indices: readonly number[]): string {
  const sorted = [...new Set(indices)].sort((a, b) => a - b);
  const step = sorted.length < 3 ? 0 : sorted[1]! - sorted[0]!;
  const even = sorted.every((index, i) => i === 0 || index - sorted[i - 1]! === step);
  if (even && step === 1) return `${sorted[0]}..${sorted.at(-1)}`;
  if (!even || sorted.length <= 4) return sorted.join(", ");
  return `${sorted[0]}, ${sorted[1]}, ..., ${sorted.at(-1)}`;
}
