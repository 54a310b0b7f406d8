import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GatewayMachine } from "@isthmus/contract";
import type { Log, NetworkState } from "@isthmus/core";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ANNOUNCER } from "./announce.ts";
import { BRIDGE } from "./config.ts";
import { namesOf } from "./names.ts";
import { Parking } from "./parking.ts";
import { type NetworkGateway, Present } from "./present.ts";

const [V4, V6] = ["10.51.0.2", "fd51::2"];
const ip = (line: string) => execFileSync("ip", line.split(" "), { encoding: "utf8" });
const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };
const gateway: NetworkGateway = {
  pid: process.pid,
  apply: async () => undefined,
  stop: async () => undefined,
  close: () => undefined,
  async *denials() {},
  closed: new Promise(() => undefined),
};

let folder: string;
let network: Present;
let namespace: string;
let neighbour: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-present-"));
  const names = namesOf(folder, "n");
  namespace = names.namespace;
  neighbour = `in-${names.tag}`;
  network = new Present({
    names,
    folder: join(folder, "n"),
    parking: new Parking(namesOf(folder, "")),
    start: async () => gateway,
    announcer: fileURLToPath(new URL(`../../../../guest/agent/build/${ANNOUNCER}`, import.meta.url)),
    denied: () => undefined,
    log: quiet,
  });
});
afterEach(async () => {
  await network.remove(new Set());
  ip(`netns del ${neighbour}`);
  rmSync(folder, { recursive: true });
});

const machine = (digit: string): GatewayMachine => ({
  id: digit.repeat(16),
  name: digit,
  aliases: [],
  tap: `tap${digit.repeat(12)}`,
  mac: `02:00:00:00:00:0${digit}`,
  v4: V4,
  v6: V6,
  egress: { default: "open" },
});
const state = (...machines: GatewayMachine[]): NetworkState => ({
  network: { name: "n", subnet: "10.51.0.0/24", subnet6: "fd51::/64", internal: true, labels: {}, createdAt: "2026-01-01T00:00:00Z" },
  gateway: { v4: "10.51.0.1", v6: "fd51::1" },
  machines,
  rates: [],
});
/** MAC addresses by which the neighbour knows the two addresses. */
const known = () => [V4, V6].map((address) => /lladdr (\S+)/.exec(ip(`-n ${neighbour} neigh show ${address}`))?.[1]);

it("tells those on a network at once of a machine that has the addresses of one that is gone", async () => {
  await network.apply(state(machine("1")), new Set());
  for (const line of [
    `netns add ${neighbour}`,
    `-n ${namespace} link add neighbour type veth peer name eth0 netns ${neighbour}`,
    `-n ${namespace} link set neighbour master ${BRIDGE} up`,
    `-n ${neighbour} addr add 10.51.0.3/24 dev eth0`,
    `-n ${neighbour} addr add fd51::3/64 dev eth0 nodad`,
    `-n ${neighbour} link set eth0 up`,
    ...[V4, V6].map((address) => `-n ${neighbour} neigh replace ${address} lladdr ${machine("1").mac} dev eth0 nud reachable`),
  ])
    ip(line);
  await network.apply(state(machine("2")), new Set());
  await vi.waitFor(() => expect(known()).toEqual([machine("2").mac, machine("2").mac]), { timeout: 10_000 });
});
