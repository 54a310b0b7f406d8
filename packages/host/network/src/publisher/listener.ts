import { IsthmusError, type PublishedPort } from "@isthmus/contract";

/** Where what comes to a published port goes. */
export interface Target {
  readonly address: string;
  readonly port: number;
}

/** A published port that listens. */
export interface Listener {
  /** as it is really published: never port 0 */
  readonly port: PublishedPort;
  /** The port is free when this returns; what is open ends. */
  close(): void;
}

export function taken(port: PublishedPort, cause: NodeJS.ErrnoException): IsthmusError {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: "in use",
    EACCES: "not permitted",
    EADDRNOTAVAIL: "this host does not have the address",
  };
  const reason = reasons[cause.code ?? ""] ?? cause.message;
  return new IsthmusError("PORT_TAKEN", { port: port.host, address: port.address, reason }, { cause });
}
