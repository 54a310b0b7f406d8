import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type EgressDenial, parseEgress } from "@isthmus/contract";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GatewayClient } from "./client.ts";
import { Gateways } from "./gateways.ts";
import { NetWorld, places } from "./testing/net-world.ts";

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)("the gateways of a host", () => {
  let world: NetWorld;
  let gateways: Gateways;
  const denials: EgressDenial[] = [];
  const notes: string[] = [];

  const make = () =>
    new Gateways({
      place: () => ({ namespace: world.net, socket: world.socket, log: `${world.folder}/log` }),
      onDenied: (_, denial) => denials.push(denial),
      note: (_, text) => notes.push(text),
    });
  const pid = async (): Promise<number | undefined> => {
    const client = await GatewayClient.find(world.socket).catch(() => undefined);
    client?.close();
    return client?.pid;
  };
  const answers = async (): Promise<boolean> => ((await world.dns("none", "open").catch(() => undefined))?.answers?.length ?? 0) === 1;

  beforeAll(async () => {
    world = await NetWorld.make();
    await world.machine("open", parseEgress(["open"]));
    await world.machine("none", parseEgress(["none"]));
    gateways = make();
  });
  afterAll(async () => {
    await gateways?.remove("lan").catch(() => undefined);
    gateways?.close();
    await world?.end();
  });

  it("are started where there is none, and tell what is refused", async () => {
    await gateways.apply("lan", world.state());
    expect(await answers()).toBe(true);
    await world.try("none", { kind: "tcp", address: places.v4.server, port: 80 });
    while (denials.length === 0) await sleep(50);
    expect(denials).toEqual([
      { machine: world.machines[1]?.id, kind: "address", address: places.v4.server, port: 80, protocol: "tcp", count: 1 },
    ]);
  });

  it("are found again by the next daemon, with what was refused meanwhile", async () => {
    const first = await pid();
    gateways.close();
    denials.length = 0;
    await world.try("none", { kind: "tcp", address: places.v4.server, port: 22 });
    gateways = make();
    await gateways.apply("lan", world.state());
    expect(await pid()).toBe(first);
    while (denials.length === 0) await sleep(50);
    expect(denials).toEqual([expect.objectContaining({ port: 22, count: 1 })]);
  });

  it("are started anew with their state when they are killed, and take the next", async () => {
    for (let round = 0; round < 2; round += 1) {
      const before = (await pid()) ?? 0;
      process.kill(before, "SIGKILL");
      while (!(await answers())) await sleep(50);
      expect(await pid()).not.toBe(before);
    }
    expect((await world.try("none", { kind: "tcp", address: places.v4.server, port: 80 })).result).toBe("refused");
    await gateways.apply(
      "lan",
      world.state({ machines: world.machines.map((machine) => ({ ...machine, egress: parseEgress(["open"]) })) }),
    );
    expect((await world.try("none", { kind: "tcp", address: places.v4.server, port: 80 })).result).toBe("open");
    process.kill((await pid()) ?? 0, "SIGKILL");
    while (!(await answers())) await sleep(50);
    expect((await world.try("none", { kind: "tcp", address: places.v4.server, port: 80 })).result).toBe("open");
  });

  it("keep what is in force when a state is refused", async () => {
    await expect(gateways.apply("lan", world.state({ bridge: "br9" }))).rejects.toMatchObject({ code: "HOST_COMMAND_FAILED" });
    process.kill((await pid()) ?? 0, "SIGKILL");
    while (!(await answers())) await sleep(50);
  });

  it("end when their network goes, also when another daemon started them", async () => {
    gateways.close();
    gateways = make();
    await gateways.remove("lan");
    expect(await pid()).toBe(undefined);
    expect(await world.in(world.net, "nft", "list", "tables")).toBe("");
    await gateways.remove("lan");
  });

  it("take the place of one of another version, which has their ports", async () => {
    const other = `for (const at of [443, process.argv.at(-1)]) require("net").createServer((s) => s.end(JSON.stringify({ type: "hello", protocol: 99, pid: process.pid, seq: null }) + "\\n")).listen(at);`;
    const child = spawn("ip", ["netns", "exec", world.net, process.execPath, "-e", other, "--", "--socket", world.socket], {
      stdio: "ignore",
    });
    const ended = once(child, "exit");
    while (!existsSync(world.socket)) await sleep(20);
    await gateways.apply("lan", world.state());
    expect(await answers()).toBe(true);
    expect(notes.at(-1)).toMatch(/is replaced/);
    expect(await ended).toEqual([null, "SIGKILL"]);
  });

  it("let live what only says that it is one", async () => {
    await gateways.remove("lan");
    const other = createServer((socket) => socket.end(`{"type":"hello","protocol":99,"pid":${process.pid},"seq":null}\n`)).listen(
      world.socket,
    );
    await once(other, "listening");
    await gateways.apply("lan", world.state());
    other.close();
    expect(await answers()).toBe(true);
  });
});
