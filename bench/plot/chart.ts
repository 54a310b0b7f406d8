import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Axis, axisOf, label } from "./axis.ts";

const FOLDER = resolve(import.meta.dirname, "../../bench-results");
const WIDTH = 860;
const HEIGHT = 480;
const PLOT = { left: 76, right: 836, top: 96, bottom: 416 } as const;
/** Told apart also by readers who do not see red and green as two (Okabe and Ito). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"] as const;
/** width of a letter of the legend, about */
const LETTER = 6.4;
const TEXT = 'font-family="system-ui, sans-serif" fill="#333"';

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** an aim or a floor: a thin dashed line without dots */
  readonly dashed?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly x: { readonly label: string; readonly scale?: "linear" | "log2"; readonly max?: number };
  readonly y: { readonly label: string; readonly max?: number };
  readonly series: readonly Series[];
  /** dots at the points; without them many points make one line */
  readonly dots?: boolean;
}

/** Writes the chart as `bench-results/NAME.svg`. Returns its path. */
export async function writeChart(name: string, chart: Chart): Promise<string> {
  await mkdir(FOLDER, { recursive: true });
  const path = join(FOLDER, `${name}.svg`);
  await writeFile(path, render(chart));
  return path;
}

/** Pure. */
export function render(chart: Chart): string {
  const points = chart.series.flatMap(({ points }) => points);
  const x = axisOf(
    points.map(([value]) => value),
    chart.x.scale ?? "linear",
    [PLOT.left, PLOT.right],
    chart.x.max,
  );
  const y = axisOf(
    points.map(([, value]) => value),
    "linear",
    [PLOT.bottom, PLOT.top],
    chart.y.max,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
    `<title>${escaped(chart.title)}</title><rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    words(PLOT.left, 28, chart.title, 'font-size="17" font-weight="600"'),
    words(PLOT.left, 47, chart.subtitle, 'font-size="12" fill-opacity=".75"'),
    ...gridOf(x, y),
    words((PLOT.left + PLOT.right) / 2, 454, chart.x.label, 'font-size="13" text-anchor="middle"'),
    words(20, (PLOT.top + PLOT.bottom) / 2, chart.y.label, `font-size="13" text-anchor="middle" transform="rotate(-90 20 256)"`),
    ...chart.series.map((series, index) => lineOf(series, index, x, y, chart.dots ?? false)),
    ...legendOf(chart.series),
    "</svg>\n",
  ].join("\n");
}

function gridOf(x: Axis, y: Axis): string[] {
  const rows = y.ticks.flatMap((tick) => [
    `<path d="M${PLOT.left} ${y.at(tick)}H${PLOT.right}" stroke="${tick === 0 ? "#888" : "#e4e4e4"}"/>`,
    words(PLOT.left - 8, y.at(tick) + 4, label(tick), 'font-size="12" text-anchor="end"'),
  ]);
  const columns = x.ticks.flatMap((tick) => [
    `<path d="M${x.at(tick)} ${PLOT.top}V${PLOT.bottom}" stroke="#f1f1f1"/>`,
    `<path d="M${x.at(tick)} ${PLOT.bottom}v5" stroke="#888"/>`,
    words(x.at(tick), PLOT.bottom + 20, label(tick), 'font-size="12" text-anchor="middle"'),
  ]);
  return [...columns, ...rows, `<path d="M${PLOT.left} ${PLOT.bottom}H${PLOT.right}" stroke="#888"/>`];
}

function colourOf({ dashed }: Series, index: number): string {
  return dashed ? "#777" : (COLOURS[index % COLOURS.length] ?? "#333");
}

function lineOf(series: Series, index: number, x: Axis, y: Axis, dots: boolean): string {
  const places = series.points.map(([left, up]) => `${x.at(left).toFixed(1)} ${y.at(up).toFixed(1)}`);
  const style = series.dashed ? 'stroke-width="1.5" stroke-dasharray="5 4"' : 'stroke-width="2.2" stroke-linejoin="round"';
  const line = `<path d="M${places.join("L")}" fill="none" stroke="${colourOf(series, index)}" ${style}/>`;
  if (!dots || series.dashed) return line;
  const circles = places.map((place) => {
    const [cx, cy] = place.split(" ");
    return `<circle cx="${cx}" cy="${cy}" r="3.2" fill="${colourOf(series, index)}"/>`;
  });
  return [line, ...circles].join("");
}

/** In rows above the plot. */
function legendOf(series: readonly Series[]): string[] {
  let [left, row]: [number, number] = [PLOT.left, 66];
  return series.map((one, index) => {
    const width = 44 + one.name.length * LETTER;
    if (left + width > PLOT.right) [left, row] = [PLOT.left, row + 18];
    const at = left;
    left += width;
    const dash = one.dashed ? ' stroke-dasharray="5 4"' : "";
    return `<path d="M${at} ${row}h20" stroke="${colourOf(one, index)}" stroke-width="3"${dash}/>${words(at + 26, row + 4, one.name, 'font-size="12"')}`;
  });
}

function words(x: number, y: number, text: string, style: string): string {
  return `<text x="${x}" y="${y}" ${TEXT} ${style}>${escaped(text)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
