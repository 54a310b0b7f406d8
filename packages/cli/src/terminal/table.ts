import { escapeControls } from "./escape.ts";
import { textWidth } from "./width.ts";

/** A cell that holds colours of ours: `text` is shown as it is, so whoever makes it has escaped what is foreign. */
export interface StyledCell {
  readonly styled: string;
}

export type Cell = string | number | undefined | StyledCell;

export interface TableOptions {
  /** columns (by their heading) whose cells stand on the right */
  readonly right?: readonly string[];
  /** leave the headings away */
  readonly bare?: boolean;
}

const GAP = "   ";

function cellText(cell: Cell): string {
  if (typeof cell === "object") return cell.styled;
  return cell === undefined ? "" : escapeControls(String(cell));
}

/** Lines of a table as docker draws them: headings in capitals, columns as wide as their widest cell, three spaces between. Ends with a newline. */
export function renderTable(headings: readonly string[], rows: readonly (readonly Cell[])[], options: TableOptions = {}): string {
  const body = rows.map((row) => headings.map((_, column) => cellText(row[column])));
  const lines = options.bare ? body : [[...headings], ...body];
  const widths = headings.map((_, column) => Math.max(0, ...lines.map((line) => textWidth(line[column] ?? ""))));
  const drawn = lines.map((line) =>
    line
      .map((text, column) => {
        const space = " ".repeat(Math.max(0, (widths[column] ?? 0) - textWidth(text)));
        return options.right?.includes(headings[column] ?? "") ? space + text : text + space;
      })
      .join(GAP)
      .trimEnd(),
  );
  return drawn.length === 0 ? "" : `${drawn.join("\n")}\n`;
}

/** `key: value` lines with the values under one another. */
export function renderPairs(pairs: readonly (readonly [string, Cell])[]): string {
  return renderTable(
    ["key", "value"],
    pairs.map(([key, value]) => [`${key}:`, value]),
    { bare: true },
  );
}
