/** The examples at the end of a command's help: the command line, then what it does. */
export function examples(lines: readonly (readonly [string, string?])[]): string {
  const widest = Math.max(...lines.map(([line, remark]) => (remark ? line.length : 0)));
  const drawn = lines.map(([line, remark]) => `  ${remark ? `${line.padEnd(widest)}   ${remark}` : line}`);
  return `\nExamples:\n${drawn.join("\n")}`;
}

/** Adds one more value of an option that may be given several times. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
