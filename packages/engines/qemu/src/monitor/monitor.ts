import { IsthmusError } from "@isthmus/contract";
import { QMP_DEADLINE_MS } from "../config.ts";
import { Qmp } from "./qmp.ts";
import { goOnWhenThereIsRoom, NO_ROOM } from "./room.ts";

/** QEMU's monitor of one machine, connected when it is needed and again after it was lost. */
export class Monitor {
  #path: string;
  readonly #onClosed: () => void;
  #connecting: Promise<Qmp> | undefined;
  #qmp: Qmp | undefined;
  #closed = false;

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

  /** Loads the state of a guest's devices, its memory being there, and waits until that is over; the guest stays stopped. Throws HOST_COMMAND_FAILED, PROTOCOL, TIMEOUT. */
  async incoming(uri: string, deadlineMs: number): Promise<void> {
    const name = "migrate-incoming";
    const qmp = await this.#connected(deadlineMs);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new IsthmusError("TIMEOUT", { what: `QEMU's ${name}`, limit: deadlineMs })), deadlineMs);
    void qmp.closed.then(() => reject(new IsthmusError("PROTOCOL", { reason: `QEMU closed its monitor during ${name}` })));
    const off = qmp.onEvent("MIGRATION", (data) => {
      const status = typeof data === "object" && data !== null ? Reflect.get(data, "status") : undefined;
      if (status === "completed") resolve();
      if (status === "failed")
        reject(new IsthmusError("HOST_COMMAND_FAILED", { program: `QEMU's ${name}`, reason: "the state was refused" }));
    });
    promise.catch(() => {});
    try {
      await qmp.execute("migrate-set-capabilities", { capabilities: [{ capability: "events", state: true }] }, deadlineMs);
      // QEMU would announce the address of its command line, which is the template's: a network drops that, and tells of it.
      await qmp.execute("migrate-set-parameters", { "announce-rounds": 0 }, deadlineMs);
      await qmp.execute(name, { uri }, deadlineMs);
      await promise;
    } finally {
      clearTimeout(timer);
      off();
    }
  }

  /** Data of the next event of this name, on the connection that is open now. Throws PROTOCOL, TIMEOUT. */
  async once(name: string, deadlineMs: number): Promise<Readonly<Record<string, unknown>>> {
    const qmp = await this.#connected(QMP_DEADLINE_MS);
    const { promise, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>();
    const timer = setTimeout(() => reject(new IsthmusError("TIMEOUT", { what: `QEMU's ${name}`, limit: deadlineMs })), deadlineMs);
    void qmp.closed.then(() => reject(new IsthmusError("PROTOCOL", { reason: `QEMU closed its monitor before ${name}` })));
    const off = qmp.onEvent(name, (data) => resolve(typeof data === "object" && data !== null ? { ...data } : {}));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      off();
    }
  }

  /** True when the guest's CPUs are stopped, and not because its disk found no room: then it goes on by itself. */
  async paused(deadlineMs?: number): Promise<boolean> {
    const { running, status } = await this.#status(deadlineMs);
    return running === false && status !== NO_ROOM;
  }

  /** True when QEMU still waits for the state of a saved guest: there is no guest yet. */
  async unrestored(deadlineMs?: number): Promise<boolean> {
    return (await this.#status(deadlineMs)).status === "inmigrate";
  }

  /** RunState and whether CPUs run (qapi/run-state.json of QEMU). */
  async #status(deadlineMs?: number): Promise<{ readonly running?: unknown; readonly status?: unknown }> {
    const answer = await this.execute("query-status", {}, deadlineMs);
    return typeof answer === "object" && answer !== null ? answer : {};
  }

  /** The guest can write to its console without end: from here on nothing of it reaches the host's disk. */
  async dropConsole(): Promise<void> {
    await this.execute("chardev-change", { id: "console", backend: { type: "null", data: {} } });
  }

  /** Its socket was moved; an open connection goes on. */
  moved(path: string): void {
    this.#path = path;
  }

  /** A command of QEMU's human monitor; what it says, which is nothing when it is content. Throws as `execute`. */
  async humanCommand(line: string): Promise<string> {
    return String(await this.execute("human-monitor-command", { "command-line": line })).trim();
  }

  /** For good: the machine is another daemon's now, and QEMU serves one client at a time. */
  close(): void {
    this.#closed = true;
    this.#qmp?.close();
  }

  async #connected(deadlineMs: number): Promise<Qmp> {
    if (this.#qmp?.open) return this.#qmp;
    if (this.#closed) throw new IsthmusError("PROTOCOL", { reason: "QEMU's monitor was let go" });
    this.#connecting ??= this.#connect(deadlineMs).finally(() => {
      this.#connecting = undefined;
    });
    return await this.#connecting;
  }

  async #connect(deadlineMs: number): Promise<Qmp> {
    const qmp = await Qmp.connect(this.#path, deadlineMs);
    this.#qmp = qmp;
    goOnWhenThereIsRoom(qmp);
    void qmp.closed.then(this.#onClosed);
    return qmp;
  }
}
