import { readdirSync } from "node:fs";
import type { Event } from "@isthmus/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { World } from "../world.ts";
import { ANSWER_S, HostNamespace, SILENCE_S } from "./host-namespace.fixture.ts";
import { OUT } from "./two-namespaces.fixture.ts";

let host: HostNamespace;
let world: World;
beforeAll(async () => {
  host = await HostNamespace.make();
  world = host.world;
});
afterAll(() => host?.[Symbol.asyncDispose]());

const run = (name: string, ...words: string[]) => host.run(name, ...words);
const network = (name: string) => host.network(name);
const inspect = (ref: string) => host.machine(ref);
const inHost = (...words: string[]) => host.inHost(...words);
const fetch = (from: string, address: string) => host.fetch(from, address);
const lookUp = (from: string, name: string) => host.lookUp(from, name);

describe("machines of a network", () => {
  beforeAll(async () => {
    await world.ok(["network", "create", "web", "--subnet", "10.40.0.0/24", "--subnet", "fd40::/64"]);
    await world.ok(["network", "create", "other"]);
    await host.runServer("api", "--network", "web", "--ip", "10.40.0.10", "--network-alias", "backend");
    await run("client", "--network", "web", "--egress", "none", "--network-send-bps", "512k", "busybox", "sleep", "1000");
    await run("stranger", "--network", "other", "busybox", "sleep", "1000");
  });

  it("have fixed addresses, are clones, and find one another by address and name over IPv4 and IPv6", async () => {
    const { machines } = await network("web");
    expect(machines.map(({ machineName, ip: v4, ip6, holds }) => [machineName, v4, ip6, holds])).toEqual([
      ["api", "10.40.0.10", "fd40::a", true],
      ["client", "10.40.0.2", "fd40::2", true],
    ]);
    // Its network's zygote may be there already.
    expect(["template", "zygote"]).toContain((await inspect("client")).startedFrom);
    for (const to of ["10.40.0.10", "fd40::a"]) {
      const { text, stderr } = await fetch("client", to);
      expect([to, text, stderr]).toEqual([to, "api", ""]);
    }
    for (const name of ["api", "backend", "api.web"])
      await expect.poll(() => lookUp("client", name), { message: name }).toEqual(["10.40.0.10", "fd40::a"]);
  });

  it("are not reached from another network, nor by name", async () => {
    for (const to of ["10.40.0.10", "fd40::a"]) expect([to, (await host.fetch("stranger", to, 80, SILENCE_S)).text]).toEqual([to, ""]);
    expect(await lookUp("stranger", "api")).toEqual([""]);
  });

  it("goes out through the host unless it may not, and what is refused is told", async () => {
    const ping = (from: string, seconds: number) => world.cli(["exec", from, "ping", "-c", "1", "-W", String(seconds), OUT.v4]);
    expect((await ping("stranger", ANSWER_S)).code).toBe(0);
    expect((await ping("client", SILENCE_S)).code).not.toBe(0);
    let denied: Event | undefined;
    while (denied === undefined)
      for await (const event of world.isthmus.events())
        if (event.type === "egress.denied" && event.details.kind === "address") denied = event;
    expect([denied.machineName, denied.details.address]).toEqual(["client", OUT.v4]);
  });

  it("is held to its rates, which change while it runs, and an unlimited one is not", async () => {
    const { namespace } = await network("web");
    const { id } = await inspect("client");
    const shown = () =>
      JSON.parse(inHost("tc", "-n", namespace, "-s", "-j", "qdisc", "show")) as {
        kind: string;
        dev: string;
        options: { rate: number };
        overlimits: number;
      }[];
    const rates = () => shown().flatMap(({ kind, dev, options }) => (kind === "tbf" ? [`${dev} ${options.rate}`] : []));
    expect(rates()).toEqual([`ifb${id.slice(0, 12)} 524288`]);
    await world.cli(["exec", "client", "sh", "-c", "dd if=/dev/zero bs=64k count=16 | nc -w 5 10.40.0.10 80"]);
    expect(shown().find(({ kind }) => kind === "tbf")?.overlimits).toBeGreaterThan(0);
    await world.ok([
      "update",
      "--unlimited",
      "network-send-bps",
      "--network-receive-bps",
      "1m:4m:2s",
      "--network-send-pps",
      "100:200",
      "client",
    ]);
    expect(rates()).toEqual([`tap${id.slice(0, 12)} 1048576`]);
    expect(inHost("ip", "netns", "exec", namespace, "nft", "list", "ruleset")).toContain(`iifname vmap { "tap${id.slice(0, 12)}" : jump`);
    expect((await inspect("client")).spec.resources).toEqual({
      netReceiveBps: { rate: 1_048_576, burst: 4_194_304, burstMs: 2000 },
      netSendPps: { rate: 100, burst: 200 },
    });
    const refused = await world.cli(["run", "--network", "user", "--network-send-bps", "1m", "busybox", "true"]);
    expect(refused.stderr).toContain("rates are held on a network of the host's only");
  });

  it("keeps its machines when the daemon is killed, and takes a new one after", async () => {
    await world.killDaemon();
    await world.ok(["daemon", "start"]);
    await world.ok(["update", "--unlimited", "network-receive-bps", "--unlimited", "network-send-pps", "client"]);
    const { namespace } = await network("web");
    const left = () => [
      inHost("tc", "-n", namespace, "qdisc", "show").includes("tbf"),
      inHost("ip", "netns", "exec", namespace, "nft", "list", "ruleset").includes("isthmus_rates"),
    ];
    await expect.poll(left).toEqual([false, false]);
    await run("late", "--network", "web", "busybox", "sleep", "1000");
    expect((await fetch("late", "10.40.0.10")).text).toBe("api");
    expect((await fetch("client", "10.40.0.10")).text).toBe("api");
  });

  it("cannot be removed while a machine has addresses of it, and says which", async () => {
    const refused = await world.cli(["network", "rm", "web"]);
    expect([refused.code === 0, refused.stderr.includes("machine api")]).toEqual([false, true]);
  });

  it("changes for a machine that has ended, and not for one that is paused", async () => {
    await world.ok(["pause", "stranger"]);
    expect((await world.cli(["network", "disconnect", "other", "stranger"])).stderr).toContain("stranger");
    await world.ok(["kill", "stranger"]);
    await world.ok(["network", "disconnect", "other", "stranger"]);
    await world.ok(["network", "connect", "--ip", "10.40.0.77", "web", "stranger"]);
    await world.ok(["start", "stranger"]);
    expect((await fetch("stranger", "10.40.0.10")).text).toBe("api");
  });

  it("leaves nothing on the host when its machines are gone", async () => {
    await world.removeAll();
    const { namespace } = await network("web");
    await world.ok(["network", "rm", "web", "other"]);
    expect(readdirSync("/run/netns")).not.toContain(namespace);
    expect([inHost("ip", "-o", "link").includes("ist"), inHost("nft", "list", "tables").includes("isthmus")]).toEqual([false, false]);
  });
});
