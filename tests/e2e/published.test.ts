import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Machine } from "@isthmus/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildUdpEcho, udpEcho } from "../udp-echo.ts";
import { eventually, World } from "../world.ts";
import { HOST, ip, TwoNamespaces, type Where } from "./two-namespaces.fixture.ts";

const OWN = HOST.v4;

let namespaces: TwoNamespaces;
let world: World;
beforeAll(async () => {
  namespaces = new TwoNamespaces();
  ip(`-n ${namespaces.out} route add 100.127.0.0/16 via ${OWN}`);
  world = await World.start({}, () => undefined, namespaces.within("host"));
});
afterAll(async () => {
  await world?.removeAll();
  await world?.ok(["network", "prune"]);
  await world?.[Symbol.asyncDispose]();
  namespaces?.[Symbol.dispose]();
});

const GET = `
const [host, port, patience] = process.argv.slice(1);
const socket = require("node:net").connect({ host, port });
let all = "";
socket.setTimeout(Number(patience), () => socket.destroy(Object.assign(new Error(), { code: "SILENT" })));
socket.on("error", ({ code }) => { all = code; });
socket.on("data", (bytes) => { all += bytes; });
socket.on("close", () => process.stdout.write(all.trim().split("\\n").at(-1)));
socket.write("GET / HTTP/1.0\\r\\n\\r\\n");`;

/** The page, or why there is none, as seen in a namespace. */
const get = (from: Where, address: string, port: number, patienceMs = 30_000) => {
  const [program = "", ...words] = [
    ...namespaces.within(from),
    process.execPath,
    "-e",
    GET,
    "--",
    address,
    String(port),
    String(patienceMs),
  ];
  return execFileSync(program, words, { encoding: "utf8" });
};
/** The page, once the workload serves it: until then connections are reset. */
const page = async (from: Where, address: string, port: number): Promise<string> => {
  for (;;) {
    const text = get(from, address, port);
    if (text !== "ECONNRESET") return text;
    await sleep(100);
  }
};
const HALF = `
const socket = require("node:net").connect({ host: "127.0.0.1", port: Number(process.argv[1]) });
socket.write("GET / HT");
process.stdin.once("data", () => socket.write("TP/1.0\\r\\n\\r\\n"));
let all = "";
socket.on("error", ({ code }) => { all = code; });
socket.on("data", (bytes) => { all += bytes; });
socket.on("close", () => { process.stdout.write(all.trim().split("\\n").at(-1)); process.exit(); });`;

/** A connection of the host that has asked for half of what it is to ask for. */
class HalfAsked {
  readonly #child: ChildProcess;
  readonly #answer: Promise<string>;

  constructor(port: number) {
    const [program = "", ...words] = [...namespaces.within("host"), process.execPath, "-e", HALF, "--", String(port)];
    this.#child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
    this.#answer = this.#child.stdout === null ? Promise.resolve("") : text(this.#child.stdout);
  }

  /** Asks for the rest; the page, or why there is none. */
  async finish(): Promise<string> {
    this.#child.stdin?.write("go on");
    return await this.#answer;
  }
}

const publishers = () => world.processes().flatMap(({ pid, command }) => (command.includes("publisher.js") ? [pid] : []));
const openIn = (port: number) =>
  execFileSync("ip", ["netns", "exec", namespaces.host, "ss", "-Htn", "state", "established", `sport = :${port}`], { encoding: "utf8" });
/** Where ports of the network's way out lead. */
const rules = async () => {
  const { namespace } = JSON.parse(await world.ok(["network", "inspect", "default"]))[0];
  return execFileSync("ip", ["netns", "exec", namespace, "nft", "list", "map", "ip", "isthmus_published", "to_tcp"], { encoding: "utf8" });
};
const portsOf = async (name: string): Promise<Machine["ports"]> => JSON.parse(await world.ok(["inspect", name]))[0].ports;
/** that a machine had */
let freed = "";
const SERVE = ["busybox", "sh", "-c", "mkdir /w; echo deck > /w/index.html; exec httpd -f -p 80 -h /w"];

describe("ports of a machine on a network", () => {
  it("listen when it runs, on the addresses that were asked for and no others", async () => {
    const ports = ["8080:80", `${OWN}:8081:80`, "[::]:8082:80", "80", "0.0.0.0:5300:53/udp"].flatMap((port) => ["-p", port]);
    await world.ok(["run", "-d", "--name", "one", "--network", "bridge", "--egress", "none", "--resume-on-contact", ...ports, ...SERVE]);
    expect(get("host", "127.0.0.1", 8080)).toMatch(/^(deck|ECONNRESET)$/);
    expect(await page("host", "127.0.0.1", 8080)).toBe("deck");
    const free = (await portsOf("one"))[3]?.host ?? 0;
    for (const [address, port] of [
      [OWN, 8081],
      ["::1", 8082],
      ["127.0.0.1", free],
    ] as const)
      expect([address, get("host", address, port)]).toEqual([address, "deck"]);
    expect([get("out", OWN, 8081), get("out", OWN, 8080)]).toEqual(["deck", "ECONNREFUSED"]);
    await world.ok(["cp", buildUdpEcho(world.home), "one:/echo"]);
    await world.ok(["exec", "one", "/echo", "53"]);
    expect(udpEcho(OWN, 5300, "datagram", namespaces.within("out"))).toBe("datagram");
  });

  it("are not reached around them, by who sends to the network's way out", async () => {
    const { namespace } = JSON.parse(await world.ok(["network", "inspect", "default"]))[0];
    const inside = /100\.127\.[\d.]+/.exec(execFileSync("ip", ["-n", namespace, "-o", "addr"], { encoding: "utf8" }))?.[0] ?? "";
    const inner = Number(/(\d+) : 10\.89\.0\.2 \. 80/.exec(await rules())?.[1]);
    expect(get("host", inside, inner)).toBe("deck");
    expect(get("out", inside, inner, 2_000)).toBe("SILENT");
  });

  it("that are taken fail the start, and those that cannot be are refused", async () => {
    const refused = async (...words: string[]) => (await world.cli(["run", "-d", ...words, ...SERVE])).stderr;
    expect(await refused("--network", "bridge", "-p", "8083:80", "-p", `${OWN}:8081:80`)).toContain(
      "port 8081 on 203.0.113.1 is taken (in use)",
    );
    expect(get("host", "127.0.0.1", 8083)).toBe("ECONNREFUSED");
    expect(await refused("--network", "bridge", "-p", "203.0.113.9:1:80")).toContain("no address of this host");
    expect(await refused("-p", "0.0.0.0:1:80")).toContain("loopback");
    await world.ok(["network", "create", "--internal", "inner"]);
    expect(await refused("--network", "inner", "-p", "1:80")).toContain("network inner is internal");
  });

  it("go on while no daemon runs, with what is open, and the next daemon takes them up", async () => {
    await world.ok(["run", "-d", "--name", "short", "--network", "bridge", "-p", "8084:80", ...SERVE]);
    expect(await page("host", "127.0.0.1", 8084)).toBe("deck");
    const [before, [publisher], held] = [await portsOf("one"), publishers(), new HalfAsked(8080)];
    await eventually("the connection is open", async () => openIn(8080) !== "" || undefined);
    const { pid } = JSON.parse(await world.ok(["inspect", "short"]))[0];
    await world.killDaemon();
    process.kill(pid, "SIGKILL");
    expect([get("host", "127.0.0.1", 8080), get("out", OWN, 8081)]).toEqual(["deck", "deck"]);
    expect(udpEcho("127.0.0.1", 5300, "meanwhile", namespaces.within("host"))).toBe("meanwhile");
    await world.ok(["daemon", "start"]);
    expect([await portsOf("one"), publishers()]).toEqual([before, [publisher]]);
    expect(await held.finish()).toBe("deck");
    expect([get("host", "127.0.0.1", 8080), udpEcho("127.0.0.1", 5300, "again", namespaces.within("host"))]).toEqual(["deck", "again"]);
    await expect.poll(async () => JSON.parse(await world.ok(["inspect", "short"]))[0].state).toBe("exited");
    const [ended] = JSON.parse(await world.ok(["inspect", "short"]));
    expect(get("host", "127.0.0.1", 8084)).toBe("ECONNREFUSED");
    freed = ended.spec.networks[0].ip;
    await eventually("nothing leads to it", async () => !(await rules()).includes(`${freed} . 80`) || undefined);
    await world.ok(["rm", "short"]);
  });

  it("listen again, the same ones, when what listened was killed, with a daemon or without, and the machine goes on", async () => {
    const before = JSON.parse(await world.ok(["inspect", "one"]))[0];
    const [publisher = 0] = publishers();
    // 0 would be all that this test runs in.
    expect(publisher).toBeGreaterThan(0);
    process.kill(publisher, "SIGKILL");
    const back = async () => get("host", "127.0.0.1", 8080) === "deck" || undefined;
    await eventually("the port listens", back);
    expect([get("out", OWN, 8081), udpEcho("127.0.0.1", 5300, "anew", namespaces.within("host"))]).toEqual(["deck", "anew"]);
    const after = JSON.parse(await world.ok(["inspect", "one"]))[0];
    expect([after.pid, after.ports, publishers().length, publishers()[0] === publisher]).toEqual([before.pid, before.ports, 1, false]);
    expect(readFileSync(join(world.home, "daemon.log"), "utf8")).toContain("the publisher has ended");
    await world.ok(["daemon", "stop"]);
    expect(get("host", "127.0.0.1", 8080)).toBe("deck");
    for (const pid of publishers()) process.kill(pid, "SIGKILL");
    await eventually("nobody listens", async () => get("host", "127.0.0.1", 8080) === "ECONNREFUSED" || undefined);
    await world.ok(["daemon", "start"]);
    await eventually("the port listens", back);
    expect([await portsOf("one"), publishers().length]).toEqual([before.ports, 1]);
  });

  it("of a clone are others, and lead to it though another machine had its address a moment ago", async () => {
    await world.ok(["clone", "one", "--name", "two"]);
    const ports = await portsOf("two");
    expect(JSON.parse(await world.ok(["inspect", "two"]))[0].spec.networks[0].ip).toBe(freed);
    expect(get("host", "127.0.0.1", ports[0]?.host ?? 0)).toBe("deck");
    expect(udpEcho(OWN, ports[4]?.host ?? 0, "clone", namespaces.within("out"))).toBe("clone");
    await world.ok(["rm", "-f", "two"]);
    expect(get("host", "127.0.0.1", ports[0]?.host ?? 0)).toBe("ECONNREFUSED");
  });

  it("resume a suspended machine that is contacted, and are free when it has ended", async () => {
    await world.ok(["suspend", "one"]);
    expect(get("out", OWN, 8081)).toBe("deck");
    expect(udpEcho("127.0.0.1", 5300, "resumed", namespaces.within("host"))).toBe("resumed");
    await world.ok(["stop", "-t", "1", "one"]);
    expect([get("host", "127.0.0.1", 8080), get("host", "::1", 8082)]).toEqual(["ECONNREFUSED", "ECONNREFUSED"]);
    await eventually(
      "nothing is left of what published",
      async () => (publishers().length === 0 && !existsSync(join(world.home, "run/publisher.sock"))) || undefined,
    );
  });
});
