import { PLOT_POINTS } from "./config.ts";
import { quantiles, type Report } from "./report.ts";

const [WIDTH, HEIGHT] = [860, 420];
const FRAME = { left: 70, right: 840, top: 60, bottom: 370 } as const;
/** told apart also by readers who do not see red and green as two (Okabe and Ito) */
const LINES = [
  ["p50", "#0072b2"],
  ["p99", "#d55e00"],
] as const;

/** Latency of starts against the time at which they were asked for, as SVG. Pure. */
export function plot(report: Report): string {
  const last = report.starts.reduce((most, [asked]) => Math.max(most, asked), 1);
  const buckets = Array.from({ length: PLOT_POINTS }, (): number[] => []);
  for (const [asked, latency] of report.starts) buckets[Math.min(PLOT_POINTS - 1, Math.floor((asked / last) * PLOT_POINTS))]?.push(latency);
  const points = buckets.map((values, index) => ({ atMs: (index / PLOT_POINTS) * last, ...quantiles(values), empty: values.length === 0 }));
  const most = Math.max(1, ...points.map(({ p99 }) => p99));
  const x = (ms: number) => (FRAME.left + (ms / last) * (FRAME.right - FRAME.left)).toFixed(1);
  const y = (ms: number) => (FRAME.bottom - (ms / most) * (FRAME.bottom - FRAME.top)).toFixed(1);
  const line = (of: "p50" | "p99") => points.filter(({ empty }) => !empty).map((point) => `${x(point.atMs)} ${y(point[of])}`);
  const title = `${report.scenario}: ${report.ran} of ${report.asked} starts, fairness ${report.fairness.toFixed(3)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
    `<title>${escaped(title)}</title><rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    words(FRAME.left, 30, title, 'font-size="16"'),
    ...[0, 0.25, 0.5, 0.75, 1].flatMap((part) => [
      `<path d="M${FRAME.left} ${y(most * part)}H${FRAME.right}" stroke="#ddd"/>`,
      words(FRAME.left - 8, Number(y(most * part)) + 4, `${Math.round(most * part)} ms`, 'font-size="11" text-anchor="end"'),
      words(Number(x(last * part)), FRAME.bottom + 20, `${Math.round((last * part) / 1000)} s`, 'font-size="11" text-anchor="middle"'),
    ]),
    ...LINES.map(([of, colour]) => `<path d="M${line(of).join("L")}" fill="none" stroke="${colour}" stroke-width="2"/>`),
    ...LINES.map(([of, colour], index) => words(FRAME.left + index * 60, 50, of, `font-size="12" style="fill:${colour}"`)),
    "</svg>\n",
  ].join("\n");
}

function words(x: number, y: number, text: string, style: string): string {
  return `<text x="${x}" y="${y}" font-family="system-ui, sans-serif" fill="#333" ${style}>${escaped(text)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
