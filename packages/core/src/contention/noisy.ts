import { NOISY_LEAST, NOISY_LOOKS, NOISY_SHARE } from "./config.ts";
import type { Look, PolicyMachine } from "./look.ts";
import { type Kind, kinds } from "./pressed.ts";

export interface NoisyNeighbour {
  readonly kind: Kind;
  readonly id: string;
  readonly name: string;
  /** part of what all machines use, 0 to 1 */
  readonly share: number;
  /** parts of processors, bytes, or bytes a second */
  readonly use: number;
}

/** Finds machines that take most of what is scarce. Each is named once until it no longer does. */
export class NoisyNeighbours {
  readonly #looks = new Map<string, number>();
  readonly #named = new Set<string>();

  /** Those to be named now. */
  look({ facts, machines }: Look, pressed: (kind: Kind) => boolean): readonly NoisyNeighbour[] {
    return kinds.flatMap((kind) => {
      const total = machines.reduce((sum, machine) => sum + useOf(kind, machine), 0);
      const least = { cpu: NOISY_LEAST.cpu * facts.cpus, memory: NOISY_LEAST.memory * facts.memoryTotalBytes, io: NOISY_LEAST.io }[kind];
      return machines.flatMap((machine) => {
        const use = useOf(kind, machine);
        const share = total > 0 ? use / total : 0;
        const key = `${kind} ${machine.id}`;
        const hurts = pressed(kind) && machines.length > 1 && use >= least;
        if (!hurts || share < NOISY_SHARE.cleared) this.#forget(key);
        if (!hurts || share < NOISY_SHARE.named || this.#named.has(key)) return [];
        const looks = (this.#looks.get(key) ?? 0) + 1;
        this.#looks.set(key, looks);
        if (looks < NOISY_LOOKS) return [];
        this.#named.add(key);
        return [{ kind, id: machine.id, name: machine.name, share, use }];
      });
    });
  }

  #forget(key: string): void {
    this.#looks.delete(key);
    this.#named.delete(key);
  }
}

function useOf(kind: Kind, { use }: PolicyMachine): number {
  if (kind === "cpu") return use.cpuPart;
  return kind === "memory" ? use.memoryBytes : use.readBytesPerSecond + use.writeBytesPerSecond;
}
