import { type Device, parseDevice } from "../runtime/index.ts";
import { fail } from "./diag/diagnostic.ts";

/** @throws GraftError `wrong-usage` */
export function deviceOf(text: string): Device {
  const device = parseDevice(text);
  if (!device) throw fail("wrong-usage", { what: `There is no device \`${text}\`` });
  return device;
}
