/** Filled in by the bundler from package.json; the bare source says "source". */
declare const GRAFTC_VERSION: string | undefined;

export const version = typeof GRAFTC_VERSION === "string" ? GRAFTC_VERSION : "source";
