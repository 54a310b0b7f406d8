/** What each step of a script took, for the table at its end. */
export class Steps {
  readonly #rows: { name: string; ms: number }[] = [];

  async time<T>(name: string, action: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const result = await action();
    this.#rows.push({ name, ms: performance.now() - started });
    return result;
  }

  add(name: string, ms: number): void {
    this.#rows.push({ name, ms });
  }

  table(): string {
    const width = Math.max(...this.#rows.map((row) => row.name.length));
    return this.#rows.map((row) => `  ${row.name.padEnd(width)}  ${String(Math.round(row.ms)).padStart(7)} ms`).join("\n");
  }
}
