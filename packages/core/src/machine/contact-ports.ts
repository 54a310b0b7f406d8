import type { PublishedPort } from "@isthmus/contract";

/** The published ports of suspended machines. */
export interface ContactPorts {
  /** Listens on TCP ports. Throws PORT_TAKEN. */
  watch(ports: readonly PublishedPort[]): Promise<ContactWatch>;
  /** Listens with the very sockets with which process `pid` listens on these TCP ports, and goes on when it ends: at no moment nobody listens. Throws HOST_COMMAND_FAILED. */
  take(ports: readonly PublishedPort[], pid: number): Promise<ContactWatch>;
}

/** Connections that come are held. */
export interface ContactWatch {
  /** `contacted` is called at the first connection; at once when there was one. */
  arm(contacted: () => void): void;
  /** Stops listening, so that the machine can have the ports; connections that have come are held. */
  free(): Promise<void>;
  /** Joins them to the ports, which are the machine's by now. */
  pass(): void;
  /** Stops listening and drops them. */
  close(): void;
}
