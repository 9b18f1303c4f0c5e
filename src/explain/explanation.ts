/** Why a statement selected what it did: what `--explain` shows. */
export interface Reason {
  /** `blocks[1].attn` */
  readonly label: string;
  readonly why: string;
}

export interface Explanation {
  /** `slim.graft:4` */
  readonly place: string;
  /** The selection as it was written. */
  readonly selection: string;
  readonly matched: readonly Reason[];
  /** What came nearest among the rest. */
  readonly missed: readonly Reason[];
}

/** Plain text, a line for each site:
 *
 *     slim.graft:4: blocks[odd].attn selects 2
 *       blocks[1].attn  1 is odd
 *       not blocks[0].attn  0 is even
 */
export function showExplanation(explanation: Explanation): string {
  const { place, selection, matched, missed } = explanation;
  const labels = [
    ...matched.map(({ label, why }) => ({ label, why })),
    ...missed.map(({ label, why }) => ({ label: `not ${label}`, why })),
  ];
  const width = Math.max(0, ...labels.map(({ label }) => label.length));
  return [
    `${place}: ${selection} selects ${matched.length || "nothing"}`,
    ...labels.map(({ label, why }) => `  ${label.padEnd(width)}  ${why}`),
  ].join("\n");
}
