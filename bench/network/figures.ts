import { BLOCK_KIB, CONNECTIONS, PEER, ports, TRANSFER_MIB } from "./config.ts";

/** What is measured, and what the guest does for it; all of it is measured by the peer. */
export const figures = {
  up: {
    name: "guest to host",
    unit: "MiB/s",
    higherIsBetter: true,
    argv: ["nc", PEER, String(ports.sink), "-e", "dd", "if=/dev/zero", `bs=${BLOCK_KIB}k`, `count=${(TRANSFER_MIB * 1024) / BLOCK_KIB}`],
  },
  down: {
    name: "host to guest",
    unit: "MiB/s",
    higherIsBetter: true,
    argv: ["nc", PEER, String(ports.source), "-e", "dd", "of=/dev/null", `bs=${BLOCK_KIB}k`],
  },
  roundTrip: { name: "round trip of a byte", unit: "ms", higherIsBetter: false, argv: ["nc", PEER, String(ports.echo), "-e", "cat"] },
  connections: {
    name: "new connections, one after another",
    unit: "1/s",
    higherIsBetter: true,
    // One process asks for all of them: to start one costs an emulated guest more than a connection does.
    argv: ["wget", "-q", "-O", "/dev/null", ...Array.from({ length: CONNECTIONS }, () => `http://${PEER}:${ports.web}/`)],
  },
} as const;

export type Figure = keyof typeof figures;
export const allFigures: readonly Figure[] = ["up", "down", "roundTrip", "connections"];
