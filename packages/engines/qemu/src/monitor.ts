import { QMP_DEADLINE_MS } from "./config.ts";
import { Qmp } from "./qmp.ts";

/** QEMU's monitor of one machine, connected when it is needed and again after it was lost. */
export class Monitor {
  readonly #path: string;
  readonly #onClosed: () => void;
  #connecting: Promise<Qmp> | undefined;
  #qmp: Qmp | undefined;

  /** `onClosed` is called when a connection ends: perhaps QEMU did. */
  constructor(path: string, onClosed: () => void) {
    this.#path = path;
    this.#onClosed = onClosed;
  }

  /** Throws HOST_COMMAND_FAILED, PROTOCOL, TIMEOUT. */
  async execute(name: string, args?: Readonly<Record<string, unknown>>, deadlineMs = QMP_DEADLINE_MS): Promise<unknown> {
    const qmp = await this.#connected(deadlineMs);
    return await qmp.execute(name, args, deadlineMs);
  }

  /** True when the guest's CPUs are stopped. */
  async paused(deadlineMs?: number): Promise<boolean> {
    const answer = await this.execute("query-status", {}, deadlineMs);
    return typeof answer === "object" && answer !== null && "running" in answer && answer.running === false;
  }

  /** The guest can write to its console without end: from here on nothing of it reaches the host's disk. */
  async dropConsole(): Promise<void> {
    await this.execute("chardev-change", { id: "console", backend: { type: "null", data: {} } });
  }

  close(): void {
    this.#qmp?.close();
  }

  async #connected(deadlineMs: number): Promise<Qmp> {
    if (this.#qmp?.open) return this.#qmp;
    this.#connecting ??= this.#connect(deadlineMs).finally(() => {
      this.#connecting = undefined;
    });
    return await this.#connecting;
  }

  async #connect(deadlineMs: number): Promise<Qmp> {
    const qmp = await Qmp.connect(this.#path, deadlineMs);
    this.#qmp = qmp;
    void qmp.closed.then(this.#onClosed);
    return qmp;
  }
}
