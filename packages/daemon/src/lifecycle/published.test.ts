import type { MachineSpec } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";

let daemon: FakeDaemon;
beforeEach(() => {
  daemon = new FakeDaemon();
});
afterEach(() => daemon.remove());

const port = { guest: 80, host: 8080, address: "127.0.0.1", protocol: "tcp" } as const;
const free = { ...port, guest: 53, host: 0, protocol: "udp" } as const;
const run = (name: string, spec: Partial<MachineSpec> = {}) =>
  daemon.machines.create({ image: "busybox", network: "bridge", ports: [port, free], name, ...spec }, { start: true });
const listening = () => [...daemon.networks.listening].sort();
const portsOf = (name: string) => daemon.machines.get(name).ports.map(({ protocol, address, host }) => `${protocol} ${address}:${host}`);

describe("ports of a machine on a network", () => {
  it("listen while it runs, the same after a suspension, and are free otherwise", async () => {
    await run("a");
    const ports = portsOf("a");
    expect([ports.length, ports[0], listening()]).toEqual([2, "tcp 127.0.0.1:8080", ports]);
    await daemon.machines.suspend("a");
    expect(listening()).toEqual([]);
    await daemon.machines.resume("a");
    expect([portsOf("a"), listening()]).toEqual([ports, ports]);
    await daemon.machines.stop("a");
    expect([portsOf("a"), listening()]).toEqual([[], []]);
    await daemon.machines.start("a");
    expect(listening()).toEqual(ports);
    await daemon.machines.remove("a", { force: true });
    expect(listening()).toEqual([]);
  });

  it("that are taken fail the start, and free those that were had", async () => {
    await run("a", { ports: [port] });
    await expect(run("b", { ports: [free, port] })).rejects.toMatchObject({ code: "PORT_TAKEN" });
    expect(daemon.machines.get("b")).toMatchObject({ state: "failed", failure: { code: "PORT_TAKEN" } });
    expect([listening(), daemon.host.processes.size]).toEqual([portsOf("a"), 1]);
  });

  it("listen again when the next daemon takes the machine up", async () => {
    await run("a");
    const ports = portsOf("a");
    await daemon.crash();
    expect([daemon.machines.get("a").state, portsOf("a"), listening()]).toEqual(["running", ports, ports]);
  });
});
