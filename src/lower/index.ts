/** An operator of the language, lowered to nodes in the place of a part. */

export { checkOperator } from "./check.ts";
export { commonLayout, linearsOf } from "./host.ts";
export type { Layout } from "./inherit.ts";
export { byElement, filledBytes } from "./initialise.ts";
export { type PlacedOperator, type PlaceRequest, placeOperator } from "./place.ts";
export type { PlacedWeight } from "./placement.ts";
export { placeOf } from "./places.ts";
