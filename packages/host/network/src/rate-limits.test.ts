import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { limits, type NetworkRates } from "@isthmus/contract";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { links } from "./links.ts";
import { queueOf, RateLimits } from "./rate-limits.ts";

/** A network's namespace with a bridge, and two namespaces that play machines: one end of a pair is what a tap is, a device that gives the machine what is sent by it. */
const tag = `${process.pid}-${Math.random().toString(36).slice(2, 6)}`;
const net = `ir-net-${tag}`;
const machine = `ir-machine-${tag}`;
const other = `ir-other-${tag}`;
const TAP = "tap0123456789ab";
const OTHER = "tapba9876543210";
const addresses = { [machine]: "10.50.0.2", [other]: "10.50.0.3" };
const traffic = fileURLToPath(new URL("./testing/traffic.ts", import.meta.url));
const MIB = 1 << 20;
const ip = (line: string) => execFileSync("ip", line.split(" "));
const show = (...words: string[]) => execFileSync(words[0] ?? "", words.slice(1), { encoding: "utf8" });
const inside = (namespace: string, ...words: string[]) => ["netns", "exec", namespace, process.execPath, traffic, ...words];
const run = promisify(execFile);
const receivers: ChildProcess[] = [];

/** As a daemon does it that has set nothing yet. */
let daemon = new RateLimits(net);
const limit = async (rates?: NetworkRates, by = daemon) => by.apply(rates === undefined ? [] : [{ tap: TAP, rates }], await links(net));
/** In ms; more than the limits ask for where the host stood still, so what is to be fast is tried again. */
const from = async (sender: string, receiver: string, bytes: number) => {
  const { stdout } = await run("ip", inside(sender, "stream", addresses[receiver] ?? "", String(bytes)));
  const received = JSON.parse(stdout);
  expect(received.bytes).toBe(bytes);
  return Number(received.ms);
};
const arrived = async (sender: string, receiver: string, count: number) => {
  const words = [addresses[receiver] ?? "", String(count)];
  const counted = async () => Number((await run("ip", inside(sender, "counted", ...words))).stdout);
  const before = await counted();
  await run("ip", inside(sender, "datagrams", ...words));
  return (await counted()) - before;
};
const ways = [
  ["sends", "netSendBps", "netSendPps", machine, other],
  ["receives", "netReceiveBps", "netReceivePps", other, machine],
] as const;

beforeAll(async () => {
  for (const line of [
    ...[net, machine, other].map((name) => `netns add ${name}`),
    `-n ${net} link add br0 type bridge`,
    `-n ${net} link set br0 up`,
    ...[
      [TAP, machine],
      [OTHER, other],
    ].flatMap(([tap, name]) => [
      `-n ${net} link add ${tap} type veth peer name eth0 netns ${name}`,
      `-n ${net} link set ${tap} master br0 up`,
      `-n ${name} addr add ${addresses[name ?? ""]}/24 dev eth0`,
      `-n ${name} link set eth0 up`,
    ]),
  ])
    ip(line);
  for (const name of [machine, other]) {
    const receiver = spawn("ip", inside(name, "receive"), { stdio: ["ignore", "pipe", "inherit"] });
    receivers.push(receiver);
    await once(receiver.stdout ?? receiver, "data");
  }
});
afterAll(async () => {
  for (const receiver of receivers) {
    receiver.kill("SIGKILL");
    if (receiver.exitCode === null && receiver.signalCode === null) await once(receiver, "exit");
  }
  for (const name of [net, machine, other]) ip(`netns del ${name}`);
});
beforeEach(async () => {
  daemon = new RateLimits(net);
  await limit();
});

const disciplines = () =>
  JSON.parse(show("tc", "-n", net, "-j", "qdisc", "show"))
    .filter(({ kind }: { kind: string }) => kind === "tbf" || kind === "ingress")
    .map(({ kind, dev }: { kind: string; dev: string }) => `${kind} ${dev}`)
    .sort();
const tables = () => show("ip", "netns", "exec", net, "nft", "list", "ruleset");

describe.each(ways)("a machine that %s", (_, bps, pps, sender, receiver) => {
  it("is held to its bytes a second, which change while it does, and are taken away", async () => {
    const bytes = 4 * MIB;
    await limit({ [bps]: { rate: 2 * MIB } });
    const held = await from(sender, receiver, bytes);
    // The other way is not limited by it.
    await expect.poll(() => from(receiver, sender, bytes)).toBeLessThan(held / 3);
    await limit({ [bps]: { rate: MIB / 8 } });
    const changed = from(sender, receiver, bytes);
    await sleep(300);
    await limit({ [bps]: { rate: 64 * MIB } });
    expect(await changed).toBeLessThan((bytes / (MIB / 8) / 2) * 1000);
    await limit();
    await expect.poll(() => from(sender, receiver, bytes)).toBeLessThan(held / 3);
    expect([disciplines(), [...(await links(net)).keys()].filter((name) => name.startsWith("ifb"))]).toEqual([[], []]);
  });

  it("may go faster for as long as a burst lasts", async () => {
    const bytes = 2 * MIB;
    await limit({ [bps]: { rate: MIB / 2 } });
    const held = await from(sender, receiver, bytes);
    await limit({ [bps]: { rate: MIB / 2, burst: 16 * MIB, burstMs: 1000 } });
    await expect.poll(() => from(sender, receiver, bytes)).toBeLessThan(held / 3);
  });

  it("is held to its packets a second, with a burst and without", async () => {
    const more = async (than: number): Promise<number> => {
      let count = 0;
      const tries = async () => {
        count = await arrived(sender, receiver, 2000);
        return count;
      };
      await expect.poll(tries).toBeGreaterThan(than);
      return count;
    };
    const free = await more(1000);
    await limit({ [pps]: { rate: 50 } });
    const held = await arrived(sender, receiver, 2000);
    expect([held > 0, held * 4 < free]).toEqual([true, true]);
    await limit({ [pps]: { rate: 50, burst: 100_000, burstMs: 1000 } });
    await more(4 * held);
    await limit();
    await more(4 * held);
    expect(tables()).not.toContain("isthmus_rates");
  });
});

describe("a daemon that comes after another", () => {
  const all = { netSendBps: { rate: MIB }, netReceiveBps: { rate: MIB }, netSendPps: { rate: 100 }, netReceivePps: { rate: 100 } };
  const set = ["ingress", "tbf", "tbf"].map((kind, index) => `${kind} ${[TAP, queueOf(TAP), TAP][index]}`).sort();

  it("finds limits as they were, and can change them or take them away", async () => {
    await limit(all);
    expect([disciplines(), tables().includes(`send_${TAP}`), tables().includes(`receive_${TAP}`)]).toEqual([set, true, true]);
    await limit(all, new RateLimits(net));
    expect([disciplines(), tables().includes(`send_${TAP}`), tables().includes(`receive_${TAP}`)]).toEqual([set, true, true]);
    await limit({ netReceiveBps: { rate: 2 * MIB } }, new RateLimits(net));
    expect([disciplines(), tables()]).toEqual([[`tbf ${TAP}`], ""]);
    await limit(all, new RateLimits(net));
    await limit(undefined, new RateLimits(net));
    expect([disciplines(), tables(), [...(await links(net)).keys()].filter((name) => name.startsWith("ifb"))]).toEqual([[], "", []]);
  });

  it.each([
    ["the queue", [`link add ${queueOf(TAP)} type ifb`]],
    ["queue and rate", [`link add ${queueOf(TAP)} type ifb`, `link set ${queueOf(TAP)} up`]],
  ])("goes on where the other came to %s only", async (_, lines) => {
    const began = () => {
      for (const line of lines) ip(`-n ${net} ${line}`);
    };
    began();
    await limit(all, new RateLimits(net));
    expect(disciplines()).toEqual(set);
    await limit(undefined, new RateLimits(net));
    began();
    await limit(undefined, new RateLimits(net));
    expect([disciplines(), [...(await links(net)).keys()].filter((name) => name.startsWith("ifb"))]).toEqual([[], []]);
  });

  it("removes the queue of a tap that is gone", async () => {
    const gone = "tapffffffffffff";
    ip(`-n ${net} tuntap add dev ${gone} mode tap`);
    await daemon.apply([{ tap: gone, rates: all }], await links(net));
    expect([...(await links(net)).keys()]).toContain(queueOf(gone));
    ip(`-n ${net} link del ${gone}`);
    await limit(undefined, new RateLimits(net));
    expect([...(await links(net)).keys()]).not.toContain(queueOf(gone));
  });
});

it("limits each machine by itself, and leaves one alone whose limits stay", async () => {
  const two = (mine: NetworkRates, its: NetworkRates) => [
    { tap: TAP, rates: mine },
    { tap: OTHER, rates: its },
  ];
  await daemon.apply(two({ netReceiveBps: { rate: MIB } }, { netReceiveBps: { rate: MIB } }), await links(net));
  const handles = () =>
    JSON.parse(show("tc", "-n", net, "-j", "qdisc", "show"))
      .filter(({ kind }: { kind: string }) => kind === "tbf")
      .map(({ dev, options: { rate } }: { dev: string; options: { rate: number } }) => [dev, rate])
      .sort();
  await daemon.apply(two({ netReceiveBps: { rate: MIB } }, { netReceiveBps: { rate: 3 * MIB } }), await links(net));
  expect(handles()).toEqual([
    [TAP, MIB],
    [OTHER, 3 * MIB],
  ]);
  await daemon.apply(two({}, { netReceiveBps: { rate: 3 * MIB } }), await links(net));
  expect(handles()).toEqual([[OTHER, 3 * MIB]]);
});

const extremes = (most: number) => [
  { rate: 1 },
  { rate: most },
  { rate: 1, burst: 2, burstMs: 1000 },
  { rate: 1, burst: Math.floor(limits.netBurst / 3600), burstMs: limits.burstMaxMs },
  { rate: most - 1_000_000, burst: most, burstMs: 1000 },
];

it.each([...extremes(limits.netBps).map((rate) => ({ bps: rate })), ...extremes(limits.netPps).map((rate) => ({ pps: rate }))])(
  "takes what may be asked for: %j",
  async ({ bps, pps }: { bps?: { rate: number }; pps?: { rate: number } }) => {
    await limit({
      ...(bps && { netSendBps: bps, netReceiveBps: bps }),
      ...(pps && { netSendPps: pps, netReceivePps: pps }),
    });
    if (bps) expect(JSON.parse(show("tc", "-n", net, "-j", "qdisc", "show", "dev", TAP, "root"))[0].options.rate).toBe(bps.rate);
    if (pps) expect(tables().match(new RegExp(`limit rate over ${pps.rate}/second`, "g"))).toHaveLength(2);
  },
);

it("says what the kernel's tools said, and sets it anew the next time", async () => {
  const found = await links(net);
  ip(`-n ${net} link add ${queueOf(TAP)} type ifb`);
  await expect(daemon.apply([{ tap: TAP, rates: { netSendBps: { rate: MIB } } }], found)).rejects.toMatchObject({
    code: "HOST_COMMAND_FAILED",
  });
  await limit({ netSendBps: { rate: MIB } });
  expect(disciplines()).toEqual([`ingress ${TAP}`, `tbf ${queueOf(TAP)}`].sort());
});
