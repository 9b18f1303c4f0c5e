/** `loss.svg`: the losses of a run, a panel for each stage, on a logarithmic scale. */
import type { Data, Mark, Spec } from "vega";
import type { LogRow } from "./log.ts";
import { type Curve, curvesOf, type Point } from "./loss-curves.ts";

const panelWidth = 640;
const panelHeight = 300;
const legendRows = 16;
/** Up to ten lines have colours that are not mistaken for each other; more, a rainbow by depth. */
const fewLines = 10;

interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

/**
 * Draws the chart as SVG; the same rows give the same text.
 * @param titles of the stages in order: `distill`, `finetune`.
 */
export async function drawLossChart(
  rows: readonly LogRow[],
  titles: readonly string[],
): Promise<string> {
  const vega = await import("vega");
  const stages = [...new Set(rows.map(({ stage }) => stage))].sort((a, b) => a - b);
  const panels = stages.flatMap((stage) => {
    const curves = curvesOf(rows.filter((row) => row.stage === stage));
    const title = titles[stage - 1] ?? `stage ${stage}`;
    return curves.some(({ raw }) => raw.length > 0) ? [{ title, curves }] : [];
  });
  vega.resetSVGDefIds();
  const view = new vega.View(vega.parse(specOf(panels)), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

function specOf(panels: readonly Panel[]): Spec {
  return {
    background: "white",
    padding: 12,
    layout: { columns: 1, padding: 32, bounds: "full", align: "none" },
    data: panels.flatMap(dataOf),
    marks: panels.map(panelMark),
    config: { axis: { labelColor: "#444", titleColor: "#444", gridColor: "#e4e4e4" } },
  };
}

function dataOf({ curves }: Panel, i: number): Data[] {
  const values = (points: (curve: Curve) => readonly Point[]) =>
    curves.flatMap((curve) => points(curve).map((point) => ({ name: curve.name, ...point })));
  return [
    { name: `raw${i}`, values: values(({ raw }) => raw) },
    { name: `smooth${i}`, values: values(({ smooth }) => smooth) },
  ];
}

/** Faint: every loss. Strong: their running mean. */
function panelMark({ title, curves }: Panel, i: number): Mark {
  const names = curves.map(({ name }) => name);
  return {
    type: "group",
    title: { text: title, anchor: "start", color: "#222" },
    encode: { enter: { width: { value: panelWidth }, height: { value: panelHeight } } },
    // Grids take their lengths from signals of these names.
    signals: [
      { name: "width", value: panelWidth },
      { name: "height", value: panelHeight },
    ],
    scales: [
      {
        name: "x",
        type: "linear",
        range: [0, panelWidth],
        zero: false,
        domain: { data: `raw${i}`, field: "step" },
      },
      {
        name: "y",
        type: "log",
        range: [panelHeight, 0],
        nice: false,
        domain: { data: `raw${i}`, field: "loss" },
      },
      { name: "colour", type: "ordinal", range: coloursOf(names.length), domain: names },
    ],
    axes: [
      { orient: "bottom", scale: "x", title: "step", tickCount: 8, tickMinStep: 1, format: "d" },
      { orient: "left", scale: "y", title: "loss", grid: true, tickCount: 5, format: ".2~g" },
    ],
    legends:
      names.length > 1
        ? [
            {
              stroke: "colour",
              symbolType: "stroke",
              columns: Math.ceil(names.length / legendRows),
            },
          ]
        : [],
    marks: [linesOf(`raw${i}`, 1, 0.25), linesOf(`smooth${i}`, 2, 1)],
  };
}

function coloursOf(lines: number): { scheme: string; count?: number } {
  return lines > fewLines ? { scheme: "turbo", count: lines } : { scheme: "tableau10" };
}

function linesOf(data: string, width: number, opacity: number): Mark {
  return {
    type: "group",
    from: { facet: { name: `${data}-line`, data, groupby: "name" } },
    marks: [
      {
        type: "line",
        from: { data: `${data}-line` },
        encode: {
          enter: {
            x: { scale: "x", field: "step" },
            y: { scale: "y", field: "loss" },
            stroke: { scale: "colour", field: "name" },
            strokeWidth: { value: width },
            strokeOpacity: { value: opacity },
            strokeJoin: { value: "round" },
          },
        },
      },
    ],
  };
}
