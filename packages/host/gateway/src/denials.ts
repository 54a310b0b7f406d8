import type { EgressDenial } from "@isthmus/contract";
import { DENIALS } from "./config.ts";

/** What was refused and not told yet. */
export class Denials {
  readonly #counts = new Map<string, EgressDenial>();

  /** Counts a refusal. Beyond the limit of different ones they are counted together, for each machine. */
  add(denial: Omit<EgressDenial, "count">, count = 1): void {
    const key = JSON.stringify([denial.machine, denial.kind, denial.name, denial.address, denial.port, denial.protocol]);
    const known = this.#counts.get(key);
    if (known) known.count += count;
    else if (this.#counts.size < DENIALS || denial.kind === "limit") this.#counts.set(key, { ...denial, count });
    else this.add({ machine: denial.machine, kind: "limit", name: "denials" }, count);
  }

  /** Whether there is anything to tell. */
  get some(): boolean {
    return this.#counts.size > 0;
  }

  /** All of it, which is then forgotten. */
  take(): EgressDenial[] {
    const all = [...this.#counts.values()];
    this.#counts.clear();
    return all;
  }
}
