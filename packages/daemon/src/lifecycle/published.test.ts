import type { MachineSpec } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { fakeNetworks } from "./fake-networks.fixture.ts";

let daemon: FakeDaemon;
beforeEach(() => {
  daemon = new FakeDaemon();
});
afterEach(() => daemon.remove());

const port = { guest: 80, host: 8080, address: "127.0.0.1", protocol: "tcp" } as const;
const free = { ...port, guest: 53, host: 0, protocol: "udp" } as const;
const run = (name: string, spec: Partial<MachineSpec> = {}) =>
  daemon.machines.create({ image: "busybox", network: "bridge", ports: [port, free], name, ...spec }, { start: true });
const listening = () => [...daemon.networks.listening.keys()].sort();
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

  it("keep an idle machine from being suspended while something is open", async () => {
    await run("a", { idleSuspendMs: 5_000 });
    daemon.networks.open = 1;
    const minute = async () => {
      for (let second = 0; second < 60; second += 1) await daemon.clock.advance(1_000);
      return daemon.machines.get("a").state;
    };
    const open = await minute();
    daemon.networks.open = 0;
    expect([open, await minute()]).toEqual(["running", "suspended"]);
  });

  it("go on without a daemon, and the next one takes them up with their machine", async () => {
    await run("a");
    const ports = portsOf("a");
    await daemon.crash();
    expect([daemon.machines.get("a").state, portsOf("a"), listening()]).toEqual(["running", ports, ports]);
    await daemon.machines.stop("a");
    expect(listening()).toEqual([]);
  });

  it("are free with the next daemon when their machine ended meanwhile, and it can be started again", async () => {
    const { id } = await run("a");
    const { id: kept } = await run("b", { ports: [free] });
    daemon.host.end(id, { code: 3 });
    await daemon.crash();
    expect([daemon.machines.get("a").state, listening()]).toEqual(["exited", portsOf(kept)]);
    await daemon.machines.start("a");
    expect(listening()).toEqual([...portsOf("a"), ...portsOf(kept)].sort());
  });

  it("that are not taken up yet keep no machine waiting that has none", async () => {
    await run("a");
    await run("b", { ports: [] });
    const answers = Promise.withResolvers<void>();
    const networks = fakeNetworks(daemon.networks);
    daemon.networkHost = { ...networks, takeUpPublished: (wanted) => answers.promise.then(() => networks.takeUpPublished(wanted)) };
    const restarted = daemon.restart();
    await daemon.machines.stop("b");
    expect([daemon.machines.get("b").state, portsOf("a")]).toEqual(["exited", listening()]);
    answers.resolve();
    await restarted;
    expect(daemon.machines.get("a").state).toBe("running");
  });

  it("listen again with the next daemon when what published them is gone", async () => {
    await run("a");
    const ports = portsOf("a");
    daemon.networks.listening.clear();
    await daemon.crash();
    expect([portsOf("a"), listening()]).toEqual([ports, ports]);
  });

  it("of a machine that is being started when the daemon dies are its own again", async () => {
    daemon.crashAt = "start.before-running";
    await run("a", { ports: [port] }).catch(() => undefined);
    expect(listening()).toEqual(["tcp 127.0.0.1:8080"]);
    await daemon.restart();
    expect([daemon.machines.get("a").state, listening()]).toEqual(["running", portsOf("a")]);
  });

  it.each(["suspend.after-commit", "suspend.before-kill"] as const)(
    "are free of a machine that was suspended when the daemon died, at %s",
    async (at) => {
      daemon.crashAt = at;
      const { id } = await run("a");
      await daemon.machines.suspend("a").catch(() => undefined);
      daemon.host.processes.delete(id);
      expect(listening()).toHaveLength(2);
      await daemon.restart();
      expect([daemon.machines.get("a").state, listening()]).toEqual(["suspended", []]);
    },
  );
});
