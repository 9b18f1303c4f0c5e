export const syntaxMessages = {} as const;
