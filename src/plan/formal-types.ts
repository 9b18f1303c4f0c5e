/** The types that a parameter of an operator may have. */
export interface NumberType {
  readonly whole: boolean;
  /** In words. */
  readonly wanted: string;
  readonly fits: (value: number) => boolean;
}

/** Those of numbers; a size of the place that is symbolic is one of each. */
export const numberTypes: ReadonlyMap<string, NumberType> = new Map(
  Object.entries({
    int: { whole: true, wanted: "a whole number", fits: Number.isInteger },
    count: {
      whole: true,
      wanted: "a whole number, 1 or more",
      fits: (value) => Number.isInteger(value) && value >= 1,
    },
    natural: {
      whole: true,
      wanted: "a whole number, 0 or more",
      fits: (value) => Number.isInteger(value) && value >= 0,
    },
    float: { whole: false, wanted: "a number", fits: () => true },
    positive: { whole: false, wanted: "a number above 0", fits: (value) => value > 0 },
  } satisfies Record<string, NumberType>),
);

export const formalTypes: readonly string[] = [...numberTypes.keys(), "bool", "string", "tensor"];
