import type { PublishedPort } from "@isthmus/contract";

/** The published ports of suspended machines. */
export interface ContactPorts {
  /** Listens on TCP ports; `contacted` is called at the first connection. Throws PORT_TAKEN. */
  watch(ports: readonly PublishedPort[], contacted: () => void): Promise<ContactWatch>;
}

export interface ContactWatch {
  /** Stops listening, so that the machine can have the ports; connections that have come are held. */
  free(): Promise<void>;
  /** Joins them to the ports, which are the machine's by now. */
  pass(): void;
  /** Stops listening and drops them. */
  close(): void;
}
