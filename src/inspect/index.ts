export {
  type BlockView,
  type Inspection,
  inspectionOf,
  type PartView,
  type Port,
  type StackView,
} from "./inspection.ts";
export { inspectionText, type Paint } from "./text.ts";
