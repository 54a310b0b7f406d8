import type { Measure } from "@isthmus/contract";
import { RAISE_MS, UNDO_STEP_MS } from "./config.ts";
import { ladder, type Rung } from "./ladder.ts";
import type { Look, PolicyMachine } from "./look.ts";
import { type NoisyNeighbour, NoisyNeighbours } from "./noisy.ts";
import { type Kind, kinds, levelOf, Pressed } from "./pressed.ts";

export interface Step {
  readonly measure: Measure;
  /** false: it is undone */
  readonly take: boolean;
  /** ids of machines; empty for a measure on the host as a whole */
  readonly targets: readonly string[];
  /** in words with numbers */
  readonly reason: string;
}

/** ids of machines, or `host` */
type Taken = Map<Measure, Set<string>>;
const HOST = "host";

/**
 * What to do about pressure: one step at a time, the gentlest first, each only when the one before did not help in time; undone in the opposite order once
 * there has been calm for long enough. Pure: the time is that of the looks.
 */
export class Contention {
  readonly #pressed: Readonly<Record<Kind, Pressed>> = { cpu: new Pressed(), memory: new Pressed(), io: new Pressed() };
  readonly #noisy = new NoisyNeighbours();
  readonly #taken: Taken = new Map();
  #stepMs = Number.NEGATIVE_INFINITY;

  /** `suspended`: ids of machines that an earlier daemon suspended for pressure, which are to go on when there is none. */
  constructor(suspended: readonly string[] = []) {
    if (suspended.length > 0) this.#taken.set("suspend", new Set(suspended));
  }

  get pressed(): readonly Kind[] {
    return kinds.filter((kind) => this.#pressed[kind].on);
  }

  /** In force, the gentlest first. */
  get measures(): readonly Measure[] {
    return ladder.flatMap(({ measure }) => (this.#taken.has(measure) ? [measure] : []));
  }

  look(look: Look): { readonly steps: readonly Step[]; readonly noisy: readonly NoisyNeighbour[] } {
    const words = new Map<Kind, string>();
    for (const kind of kinds) {
      const found = levelOf(kind, look.facts);
      words.set(kind, found.words);
      this.#pressed[kind].look(found.level, look.atMs);
    }
    const noisy = this.#noisy.look(look, (kind) => this.#pressed[kind].on);
    const step = this.#up(look, words) ?? this.#down(look, words);
    if (step !== undefined) this.#stepMs = look.atMs;
    return { steps: step === undefined ? [] : [step], noisy };
  }

  #up({ atMs, machines }: Look, words: ReadonlyMap<Kind, string>): Step | undefined {
    if (atMs - this.#stepMs < RAISE_MS) return undefined;
    for (const rung of ladder) {
      const kind = rung.helps.find((one) => this.#pressed[one].hot);
      const targets = kind === undefined ? [] : this.#open(rung, machines);
      if (kind === undefined || targets.length === 0) continue;
      const chosen = rung.oneByOne ? targets.slice(0, 1) : targets;
      this.#taken.set(rung.measure, new Set([...(this.#taken.get(rung.measure) ?? []), ...chosen]));
      return { measure: rung.measure, take: true, targets: chosen.filter((id) => id !== HOST), reason: words.get(kind) ?? kind };
    }
    return undefined;
  }

  /** What the measure was not yet done to. */
  #open({ measure, targets }: Rung, machines: readonly PolicyMachine[]): readonly string[] {
    const done = this.#taken.get(measure);
    const all = targets === undefined ? [HOST] : targets(machines).map(({ id }) => id);
    return all.filter((id) => done?.has(id) !== true);
  }

  /** The last one whose reasons are all gone. */
  #down({ atMs }: Look, words: ReadonlyMap<Kind, string>): Step | undefined {
    if (atMs - this.#stepMs < UNDO_STEP_MS) return undefined;
    const rung = ladder.findLast(({ measure, helps }) => this.#taken.has(measure) && helps.every((kind) => !this.#pressed[kind].on));
    if (rung === undefined) return undefined;
    const done = [...(this.#taken.get(rung.measure) ?? [])];
    // Machines go on one after the other: all at once would bring the pressure back.
    const chosen = rung.measure === "suspend" ? done.slice(-1) : done;
    const left = done.filter((id) => !chosen.includes(id));
    if (left.length === 0) this.#taken.delete(rung.measure);
    else this.#taken.set(rung.measure, new Set(left));
    const reason = rung.helps.map((kind) => words.get(kind) ?? kind).join("; ");
    return { measure: rung.measure, take: false, targets: chosen.filter((id) => id !== HOST), reason };
  }
}
