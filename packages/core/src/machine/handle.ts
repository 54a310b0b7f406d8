import { type Health, IsthmusError, type MachineState } from "@isthmus/contract";
import type { Publication } from "../network/ports.ts";
import { WAITERS_PER_MACHINE } from "./config.ts";
import type { ContactWatch, LiveMachine, MachineRecord } from "./ports.ts";
import { StateQueue } from "./state-queue.ts";

export interface StartInProgress {
  readonly controller: AbortController;
  /** Settles when the machine runs or the start was torn down; rejects with its first cause. */
  readonly done: Promise<MachineRecord>;
}

/** A guest without a workload that has the disk of a stopped machine, for as long as somebody copies. */
export interface StoppedLook {
  readonly live: Promise<LiveMachine>;
  users: number;
}

export type TimerName = "ttl" | "restart" | "stop" | "adopt" | "linger" | "hold" | "idle" | "contact" | "health" | "publish";

/** What is known of a machine in this process only; everything that must survive is in its record. */
export class Handle {
  readonly id: string;
  readonly queue = new StateQueue();
  /** settles when the machine was taken up at the daemon's start; at once for those made since */
  ready: Promise<void> = Promise.resolve();
  /** an earlier daemon made it */
  adopted = false;
  live: LiveMachine | undefined;
  start: StartInProgress | undefined;
  /** stops the trimming of the output file */
  trimming: { stop(): void } | undefined;
  removed = false;
  /** what its checks said, the last ones too, which are not written down while they say the same */
  health: Health | undefined;
  /** while files of the stopped machine are copied */
  look: StoppedLook | undefined;
  /** execs, attached clients and copies under way */
  sessions = 0;
  /** ms since 1970 when it was last seen in use */
  lastUsedMs = 0;
  /** listens on the ports of a suspended machine */
  contact: ContactWatch | undefined;
  /** ports of a machine on a network of the host's */
  publication: Publication | undefined;
  /** clients reading the output */
  readers = 0;
  /** a client has read the output to its end */
  outputSeen = false;
  readonly #timers = new Map<TimerName, () => void>();
  readonly #watchers = new Set<(record: MachineRecord | undefined) => void>();

  constructor(id: string) {
    this.id = id;
  }

  setTimer(name: TimerName, cancel: () => void): void {
    this.clearTimer(name);
    this.#timers.set(name, cancel);
  }

  clearTimer(name: TimerName): void {
    this.#timers.get(name)?.();
    this.#timers.delete(name);
  }

  clearTimers(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  /** After each commit; `undefined` when the machine was removed. */
  notify(record: MachineRecord | undefined): void {
    for (const watcher of [...this.#watchers]) watcher(record);
  }

  /**
   * Resolves with the first result that `look` gives for `first` or a later record; what `look` throws rejects. Throws TOO_MANY_REQUESTS, and
   * `signal`'s reason when it aborts.
   */
  async until<T>(first: MachineRecord, look: (record: MachineRecord | undefined) => T | undefined, signal: AbortSignal): Promise<T> {
    const now = look(first);
    if (now !== undefined) return now;
    if (this.#watchers.size >= WAITERS_PER_MACHINE) {
      throw new IsthmusError("TOO_MANY_REQUESTS", { what: "clients waiting", value: this.#watchers.size, limit: WAITERS_PER_MACHINE });
    }
    signal.throwIfAborted();
    return await new Promise<T>((resolve, reject) => {
      const settle = (action: () => void) => {
        this.#watchers.delete(watcher);
        signal.removeEventListener("abort", onAbort);
        action();
      };
      const watcher = (record: MachineRecord | undefined) => {
        try {
          const result = look(record);
          if (result !== undefined) settle(() => resolve(result));
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const onAbort = () => settle(() => reject(signal.reason));
      this.#watchers.add(watcher);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Its ports are free when it resolves. Never rejects. */
  async unpublish(): Promise<void> {
    const { publication } = this;
    this.publication = undefined;
    await publication?.close();
  }

  /** Lets go of everything; the machine itself goes on, and so do its ports. */
  release(): void {
    this.clearTimers();
    this.contact?.close();
    this.contact = undefined;
    this.publication = undefined;
    this.trimming?.stop();
    this.trimming = undefined;
    this.live?.release();
    this.live = undefined;
  }
}

/** No process, and none will come without a user's doing. A machine that was only requested has not ended: it has not begun. */
export function isFinal(record: MachineRecord): boolean {
  const ended: readonly MachineState[] = ["exited", "failed", "refused"];
  return ended.includes(record.machine.state) && record.boot.desired === "stopped";
}
