import type { HostPressure, HostStatus, StorageUse } from "@isthmus/contract";
import type { CallOptions } from "./options.ts";
import type { Transport } from "./transport.ts";

/** The computer that the daemon runs on. */
export class Host {
  readonly #transport: Transport;

  /** Use `isthmus.host`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Every limit with what is used of it and where it comes from, the queue of starts, what may be started now, and licence seats. */
  status(options: CallOptions = {}): Promise<HostStatus> {
    return this.#transport.json({ method: "GET", path: "/host", signal: options.signal });
  }

  /** What takes room on its disk, by kind and machine, and what of it could go. */
  storage(options: CallOptions = {}): Promise<StorageUse> {
    return this.#transport.json({ method: "GET", path: "/host/storage", signal: options.signal });
  }

  /** What is scarce, what is done about it, and what each machine costs, the costliest first. */
  pressure(options: CallOptions = {}): Promise<HostPressure> {
    return this.#transport.json({ method: "GET", path: "/host/pressure", signal: options.signal });
  }
}
