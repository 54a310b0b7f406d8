import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type GatewayReply, type GatewayState, hasCode, limits, parseEgress } from "@isthmus/contract";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GatewayClient } from "./client.ts";
import { NetWorld, places } from "./testing/net-world.ts";

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)("a gateway", () => {
  let world: NetWorld;
  let client: GatewayClient;

  beforeAll(async () => {
    world = await NetWorld.make();
    await world.machine("open", parseEgress(["open"]));
    await world.machine("some", parseEgress(["server.example:80,443", "other.example:443"]));
    client = await GatewayClient.open(place());
    await client.apply(world.state());
    await world.zone({
      "server.example": [{ type: "A", name: "server.example", ttl: 300, data: places.v4.server }],
      "other.example": [{ type: "A", name: "other.example", ttl: 300, data: places.v4.other }],
    });
  });
  afterAll(async () => {
    await client?.stop().catch(() => undefined);
    await world?.end();
  });

  const place = () => ({ namespace: world.net, socket: world.socket, log: `${world.folder}/log` });
  const reach = async (machine: string, port: number, address: string = places.v4.server, silenceMs?: number) =>
    (await world.try(machine, { kind: "tcp", address, port, silenceMs })).result;
  /** Where no answer is due: it is waited for only briefly. */
  const vain = (machine: string, port: number) => reach(machine, port, places.v4.server, 3_000);
  const hold = (machine: string, port: number, name?: string, address: string = places.v4.server) =>
    world.try(machine, { kind: "hold", address, port, name, ca: world.ca });
  const held = async (machine: string, port: number, address: string = places.v4.server) =>
    (await world.try(machine, { kind: "held", address, port })).result;
  const change = (name: string, words: readonly string[]): GatewayState =>
    world.state({
      machines: world.machines.map((machine) => (machine.name === name ? { ...machine, egress: parseEgress(words) } : machine)),
    });

  /** Speaks to the socket as it likes; gives the replies until the connection ends or `enough` came. */
  async function speak(lines: readonly (string | Buffer)[], enough: number): Promise<GatewayReply[]> {
    const socket = connect(world.socket);
    const replies: GatewayReply[] = [];
    let held = "";
    const done = new Promise<void>((resolve) => {
      socket.on("error", () => resolve()).on("close", () => resolve());
      socket.on("data", (chunk) => {
        held += chunk.toString();
        const all = held.split("\n");
        held = all.pop() ?? "";
        // every client is told what was refused, at any time
        replies.push(...all.map((line) => JSON.parse(line) as GatewayReply).filter(({ type }) => type !== "denied"));
        if (replies.length >= enough) resolve();
      });
    });
    for (const line of lines) socket.write(line);
    await done;
    socket.destroy();
    return replies;
  }

  it("is found by the next daemon, with its state, its connections and what it counted meanwhile", async () => {
    await world.dns("some", "server.example");
    for (const [port, name] of [
      [80, undefined],
      [443, "server.example"],
    ] as const)
      expect((await hold("some", port, name)).result).toBe("open");
    const { pid } = client;
    client.close();
    await client.closed;
    expect(await reach("some", 22)).toBe("refused");
    expect((await world.dns("some", "open")).answers).toHaveLength(1);
    for (const port of [80, 443]) expect(await held("some", port)).toBe("open");
    client = await GatewayClient.open(place());
    expect(client.pid).toBe(pid);
    const told = await world.told(client, ({ port }) => port === 22);
    expect(told).toContainEqual({
      machine: world.machines[1]?.id,
      kind: "address",
      address: places.v4.server,
      port: 22,
      protocol: "tcp",
      count: 1,
    });
    await client.apply(world.state());
    for (const port of [80, 443]) expect(await held("some", port)).toBe("open");
    expect(await reach("some", 80)).toBe("open");
  });

  it("cuts connections that a new policy does not open, and no others", async () => {
    await world.dns("some", "server.example");
    await world.dns("some", "other.example");
    for (const [port, name] of [
      [80, undefined],
      [443, "server.example"],
    ] as const)
      await hold("some", port, name);
    await hold("some", 443, "other.example", places.v4.other);
    await hold("open", 22);
    await client.apply(change("some", ["other.example:443"]));
    for (const port of [80, 443]) expect(await held("some", port), `${port}`).not.toBe("open");
    expect(await held("some", 443, places.v4.other)).toBe("open");
    expect(await held("open", 22)).toBe("open");
    expect(await reach("some", 80)).toBe("refused");
    await client.apply(change("open", ["none"]));
    expect(await held("open", 22)).not.toBe("open");
    expect(await reach("open", 22)).toBe("refused");
    await client.apply(world.state());
    expect(await reach("open", 22)).toBe("open");
  });

  it("lets the others of the network be while machines come and go", async () => {
    await world.dns("some", "server.example");
    await hold("some", 80);
    const [open, some] = world.machines;
    if (!open || !some) expect.unreachable();
    await client.apply(world.state({ machines: [some] }));
    expect(await vain("open", 22)).not.toBe("open");
    expect((await world.dns("some", "open")).answers).toEqual([]);
    await client.apply(world.state({ hostAddresses: [places.v4.host, places.v6.host, places.v4.other], machines: [some, open] }));
    expect(await held("some", 80)).toBe("open");
    expect(await reach("some", 80)).toBe("open");
    expect(await reach("open", 22, places.v4.other)).toBe("refused");
    expect(await reach("open", 22)).toBe("open");
    await client.apply(world.state());
    expect(await reach("open", 22, places.v4.other)).toBe("open");
  });

  it("lets in what is published, and nothing else, and its answers out whatever the policy", async () => {
    await client.apply(change("open", ["none"]));
    const server = "require('net').createServer((s)=>{s.end('hello');}).listen(8000,'::')";
    const inside = run("ip", ["netns", "exec", world.space("open"), process.execPath, "-e", server]);
    inside.catch(() => undefined);
    const outside = (port: number) =>
      world
        .in(
          world.out,
          process.execPath,
          "-e",
          `const s=require('net').connect(${port},'10.99.0.2');s.on('data',(d)=>{console.log(String(d));process.exit()}).on('error',()=>process.exit(1));setTimeout(()=>process.exit(2),1500)`,
        )
        .then(
          (text) => text.trim(),
          () => "refused",
        );
    await world.in(
      world.net,
      "nft",
      "table ip publish {\nchain pre {\ntype nat hook prerouting priority dstnat\niifname up0 tcp dport 9001 dnat to 10.89.0.10:8000\n}\n}",
    );
    let answer = "refused";
    while (answer === "refused") answer = await outside(9001);
    expect(answer).toBe("hello");
    expect(await outside(8000)).toBe("refused");
    await world.in(world.out, "ip", "route", "add", "10.89.0.0/24", "via", "10.99.0.2");
    const straight = await world.in(
      world.out,
      process.execPath,
      "-e",
      "const s=require('net').connect(8000,'10.89.0.10');s.on('connect',()=>{console.log('in');process.exit()}).on('error',()=>process.exit(0));setTimeout(()=>process.exit(0),1500)",
    );
    expect(straight).toBe("");
    inside.child.kill("SIGKILL");
    await client.apply(world.state());
  });

  it.each([
    ["an address that is none", { gateway: { v4: "10.89.0.1.", v6: "fd89::1" } }, "state.gateway.v4"],
    ["a machine of another network", { machines: [{ v4: "10.90.0.5" }] }, "state.machines[0].v4"],
    ["an address in another spelling", { machines: [{ v6: "fd89:0::a" }] }, "state.machines[0].v6"],
    ["a machine with the gateway's address", { machines: [{ v4: "10.89.0.1" }] }, "state.machines[0].v4"],
    ["two machines with one address", { machines: [{}, { v4: "10.89.0.10" }] }, "state.machines[1].v4"],
    ["two machines with one MAC address", { machines: [{}, { mac: "02:69:73:00:00:0a" }] }, "state.machines[1].mac"],
    ["a device's name with more in it", { bridge: 'br0" ; flush' }, "state.bridge"],
    ["an id with more in it", { machines: [{ id: "a } ; flush" }] }, "state.machines.0.id"],
    [
      "a policy that is none",
      { machines: [{ egress: { default: "closed", allow: [{ host: "a.b", cidr: "10.0.0.1" }] } }] },
      "machine open: egress.allow[0]",
    ],
    ["a field too many", { also: 1 }, "state.also"],
  ])("refuses %s, names the field, and stays as it is", async (_, wrong, field) => {
    const { machines = [], ...rest } = wrong as { machines?: object[] };
    const list = machines.length > 0 ? machines.map((one, index) => ({ ...world.machines[index], ...one })) : world.machines;
    const state = { ...world.state(), ...rest, machines: list } as GatewayState;
    const refusal: unknown = await client.apply(state).catch((error: unknown) => error);
    expect(hasCode(refusal, "INVALID_REQUEST") && refusal.details.field).toBe(field);
    expect(await reach("open", 22)).toBe("open");
  });

  it("refuses as many addresses of the host as there may be", async () => {
    const many = Array.from({ length: limits.hostAddresses - 1 }, (_, index) => `100.127.${index >> 8}.${index & 255}`);
    await client.apply(world.state({ hostAddresses: [...many, places.v4.other] }));
    expect(await reach("open", 22, places.v4.other)).toBe("refused");
    await client.apply(world.state());
    expect(await reach("open", 22, places.v4.other)).toBe("open");
  });

  it("stays as it is when a state cannot be brought about", async () => {
    for (const wrong of [{ bridge: "br9" }, { gateway: { v4: "10.89.0.9", v6: "fd89::1" } }])
      await expect(client.apply(world.state(wrong))).rejects.toMatchObject({ code: "HOST_COMMAND_FAILED" });
    expect(await reach("open", 22)).toBe("open");
    expect((await world.dns("some", "open")).answers).toHaveLength(1);
    await client.apply(world.state());
  });

  it("refuses garbage on its socket, and goes on", async () => {
    const refusals = await speak(
      ["nonsense\n", "{}\n", '{"type":"state","seq":5,"state":{}}\n', '{"type":"stop","now":true}\n', '"\\u0000"\n', "\n"],
      7,
    );
    expect(refusals.map((reply) => (reply.type === "refused" ? [reply.seq, reply.error.code] : reply.type))).toEqual([
      "hello",
      [null, "INVALID_JSON"],
      [null, "INVALID_REQUEST"],
      [5, "INVALID_REQUEST"],
      [null, "INVALID_REQUEST"],
      [null, "INVALID_REQUEST"],
      [null, "INVALID_JSON"],
    ]);
    const long = await speak([Buffer.alloc(17 * 1024 * 1024, 0x61)], 2);
    expect(long.at(-1)).toMatchObject({ type: "refused", seq: null, error: { code: "TOO_LARGE" } });
    const crowd: Socket[] = [];
    const greeted = () => {
      const socket = connect(world.socket);
      crowd.push(socket);
      return new Promise<boolean>((resolve) => {
        socket.on("data", () => resolve(true)).on("close", () => resolve(false));
        socket.on("error", () => resolve(false));
      });
    };
    // The daemon's own connection is the fourth; the gateway may not have met the end of those above.
    for (let place = 0; place < 3; place += 1) await expect.poll(greeted).toBe(true);
    expect((await Promise.all(Array.from({ length: 9 }, greeted))).filter(Boolean)).toEqual([]);
    for (const socket of crowd) socket.destroy();
    expect(await reach("open", 22)).toBe("open");
    await client.apply(world.state());
  });

  it("leaves its rules when it is killed: nothing opens, connections go on, and the next one takes over", async () => {
    await world.dns("some", "server.example");
    await hold("some", 80);
    await hold("open", 22);
    process.kill(client.pid, "SIGKILL");
    await client.closed;
    expect(await held("some", 80)).toBe("open");
    expect(await held("open", 22)).toBe("open");
    expect(await reach("some", 22)).toBe("refused");
    expect(await reach("open", 80, places.v4.metadata)).toBe("refused");
    expect(await GatewayClient.isThere(world.socket)).toBe(false);
    client = await GatewayClient.open(place());
    await client.apply(world.state());
    expect(await held("some", 80)).toBe("open");
    expect(await held("open", 22)).toBe("open");
    expect(await reach("some", 80)).toBe("refused");
    await world.dns("some", "server.example");
    expect(await reach("some", 80)).toBe("open");
  });

  it("is not started outside a namespace of its own, nor without a place for its socket", async () => {
    const program = new URL("./main.ts", import.meta.url).pathname;
    const outside: unknown = await run(process.execPath, [program, "--socket", `${world.folder}/none.sock`]).catch(
      (error: unknown) => error,
    );
    expect(outside).toMatchObject({ code: 1, stderr: expect.stringMatching(/network namespace of its own/) });
    await expect(
      GatewayClient.start({ namespace: "ig-missing", socket: `${world.folder}/none.sock`, log: `${world.folder}/log2` }),
    ).rejects.toMatchObject({ code: "HOST_COMMAND_FAILED" });
    await expect(
      GatewayClient.start({ namespace: world.net, socket: `${world.folder}/no/such/folder`, log: `${world.folder}/log3` }),
    ).rejects.toMatchObject({ code: "HOST_COMMAND_FAILED" });
  });

  it("ends when it is told, and takes its rules with it", async () => {
    await client.stop();
    expect(await world.in(world.net, "nft", "list", "tables")).not.toContain("isthmus");
    expect(await vain("open", 22)).not.toBe("open");
    const again = await GatewayClient.open(place());
    await again.apply(world.state());
    expect(await reach("open", 22)).toBe("open");
    process.kill(again.pid, "SIGTERM");
    await again.closed;
    while ((await world.in(world.net, "nft", "list", "tables")).includes("isthmus")) await sleep(20);
    expect(await once(connect(world.socket), "error").then(([error]) => (error as NodeJS.ErrnoException).code)).toMatch(
      /ENOENT|ECONNREFUSED/,
    );
  });

  it("takes the place of one of another version, which has its ports", async () => {
    const text = `for (const at of [443, process.argv.at(-1)]) require("net").createServer((s) => s.end(JSON.stringify({ type: "hello", protocol: 99, pid: process.pid, seq: null }) + "\\n")).listen(at);`;
    const other = spawn("ip", ["netns", "exec", world.net, process.execPath, "-e", text, "--", "--socket", world.socket], {
      stdio: "ignore",
    });
    const ended = once(other, "exit");
    while (!existsSync(world.socket)) await sleep(20);
    client = await GatewayClient.open(place());
    await client.apply(world.state());
    expect(await reach("open", 22)).toBe("open");
    expect(await ended).toEqual([null, "SIGKILL"]);
  });

  it("lets live what only says that it is a gateway", async () => {
    await client.stop();
    const other = createServer((socket) => socket.end(`{"type":"hello","protocol":99,"pid":${process.pid},"seq":null}\n`)).listen(
      world.socket,
    );
    await once(other, "listening");
    client = await GatewayClient.open(place());
    other.close();
    await client.apply(world.state());
    expect(await reach("open", 22)).toBe("open");
  });
});
