import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { PublishedPort } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PublisherClient } from "./client.ts";
import type { Way } from "./messages.ts";
import { Publisher } from "./publisher.ts";

const whose = { namespace: "isthmus-0badcafe", address: "10.89.0.2" };
const other = { ...whose, address: "10.89.0.3" };

let folder: string;
let target: Way["target"];
const ends: (() => void)[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-publisher-"));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  // Stands for the machine.
  const machine = createServer((socket) => socket.on("error", () => undefined).pipe(socket)).listen(0, "127.0.0.1");
  await once(machine, "listening");
  ends.push(() => machine.close());
  target = { address: "127.0.0.1", port: (machine.address() as { port: number }).port };
  const datagrams = createSocket("udp4").on("message", (bytes, from) =>
    datagrams.send(`${bytes} by ${from.port}`, from.port, from.address),
  );
  datagrams.bind(target.port, "127.0.0.1");
  await once(datagrams, "listening");
  ends.push(() => datagrams.close());
});
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

const place = () => ({ home: folder, socket: join(folder, "publisher.sock"), log: join(folder, "publisher.log") });
const opened = async () => {
  const client = await PublisherClient.open(place());
  ends.push(() => client.kill());
  return client;
};
const wayTo = (port: Partial<PublishedPort> = {}): Way => ({
  port: { guest: 80, host: 0, address: "127.0.0.1", protocol: "tcp", ...port },
  target,
});
const hostOf = (ways: readonly Way[]) => ways[0]?.port.host ?? 0;

class Caller {
  readonly socket: Socket;
  readonly #lines: AsyncIterator<string>;
  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1").on("error", () => undefined);
    this.#lines = createInterface({ input: this.socket })[Symbol.asyncIterator]();
    ends.push(() => this.socket.destroy());
  }
  /** What the machine says to this; undefined when the connection is over. */
  async say(words: string): Promise<string | undefined> {
    this.socket.write(`${words}\n`);
    return (await this.#lines.next().catch(() => undefined))?.value;
  }
}
const refused = async (port: number) => (await once(connect(port, "127.0.0.1"), "error").catch(([error]) => [error]))[0].code;

describe("the publisher", () => {
  it("outlives its daemon with all that is open, and is found by the next one", async () => {
    const first = await opened();
    const ways = await first.publish({ ...whose, ways: [wayTo(), wayTo({ guest: 53, protocol: "udp" })] });
    const before = new Caller(hostOf(ways));
    expect(await before.say("one")).toBe("one");
    const sender = createSocket("udp4");
    ends.push(() => sender.close());
    const ask = async () => {
      sender.send("datagram", ways[1]?.port.host ?? 0, "127.0.0.1");
      return String((await once(sender, "message"))[0]);
    };
    const answer = await ask();
    first.close();
    await first.closed;
    expect([await before.say("two"), await new Caller(hostOf(ways)).say("new"), await ask()]).toEqual(["two", "new", answer]);
    const next = await opened();
    expect([next.pid, await next.list(), await next.count(whose)]).toEqual([first.pid, [{ ...whose, ways }], 3]);
    await next.end(whose);
    expect([await before.say("three"), await next.list(), await refused(hostOf(ways))]).toEqual([undefined, [], "ECONNREFUSED"]);
  });

  it("publishes all ports of a machine or none, fixed ones first, in place of what it had", async () => {
    const publisher = await opened();
    const one = await publisher.publish({ ...whose, ways: [wayTo()] });
    const free = hostOf(await publisher.publish({ ...other, ways: [wayTo()] }));
    const taken = [wayTo({ guest: 1 }), wayTo({ host: free }), wayTo({ host: hostOf(one) })];
    await expect(publisher.publish({ ...other, ways: taken })).rejects.toMatchObject({
      code: "PORT_TAKEN",
      details: { port: hostOf(one), address: "127.0.0.1", reason: "in use" },
    });
    expect([(await publisher.list()).map(({ address }) => address), await refused(free)]).toEqual([[whose.address], "ECONNREFUSED"]);
    const again = await publisher.publish({ ...whose, ways: [wayTo(), wayTo({ host: hostOf(one) })] });
    expect(again.map(({ port }) => port.host)).toEqual([expect.not.toSatisfy((port) => port === hostOf(one)), hostOf(one)]);
  });

  it("ends when it is told, and when it is killed leaves what the next one does not mind", async () => {
    const publisher = await opened();
    const ways = await publisher.publish({ ...whose, ways: [wayTo()] });
    publisher.kill();
    await publisher.closed;
    expect(existsSync(place().socket)).toBe(true);
    const next = await opened();
    expect(await next.publish({ ...whose, ways })).toEqual(ways);
    await next.stop();
    expect([existsSync(place().socket), await PublisherClient.find(place())]).toEqual([false, undefined]);
  });

  it("refuses garbage on its socket, which is its user's alone, and goes on", async () => {
    const publisher = await opened();
    const ways = await publisher.publish({ ...whose, ways: [wayTo()] });
    expect(statSync(place().socket).mode & 0o777).toBe(0o600);
    const socket = connect(place().socket);
    const replies = createInterface({ input: socket })[Symbol.asyncIterator]();
    const garbage = [
      "nonsense",
      "{}",
      '{"type":"stop"}',
      '{"type":"end","seq":3,"namespace":"..","address":"10.89.0.2"}',
      JSON.stringify({ type: "publish", seq: 4, ...whose, ways: [] }),
      JSON.stringify({ type: "publish", seq: 5, ...whose, ways: [{ ...wayTo(), target: { address: "127.0.0.1", port: 0 } }] }),
    ];
    socket.write(`${garbage.join("\n")}\n`);
    const said: unknown[] = [];
    for (let at = 0; at <= garbage.length; at += 1) {
      const { type, seq, error } = JSON.parse((await replies.next()).value ?? "{}");
      said.push([type, seq, error?.code]);
    }
    expect(said).toEqual([
      ["hello", undefined, undefined],
      ["refused", null, "INVALID_JSON"],
      ["refused", null, "INVALID_REQUEST"],
      ["refused", null, "INVALID_REQUEST"],
      ["refused", 3, "INVALID_REQUEST"],
      ["refused", 4, "INVALID_REQUEST"],
      ["refused", 5, "INVALID_REQUEST"],
    ]);
    socket.destroy();
    expect([await publisher.list(), await new Caller(hostOf(ways)).say("here")]).toEqual([[{ ...whose, ways }], "here"]);
  });
});

describe("a publisher without a daemon", () => {
  const LOOK_MS = 10;
  /** In this process, as its daemon leaves it, after looks that found the daemon there. */
  const left = async (publish: boolean, after: () => void): Promise<Publisher> => {
    mkdirSync(join(folder, "home"));
    // A look before its daemon came would end it.
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    ends.push(() => vi.useRealTimers());
    const publisher = new Publisher({ socket: place().socket, home: join(folder, "home"), lookEveryMs: LOOK_MS });
    ends.push(() => publisher.stop());
    await publisher.start();
    const daemon = await PublisherClient.find(place());
    if (publish) await daemon?.publish({ ...whose, ways: [wayTo()] });
    after();
    expect(await goesOn(publisher)).toBe(true);
    daemon?.close();
    return publisher;
  };
  /** After a look, and time to end by it. */
  const goesOn = (publisher: Publisher) => {
    vi.advanceTimersByTime(LOOK_MS);
    return Promise.race([publisher.stopped.then(() => false), sleep(100).then(() => true)]);
  };

  it("goes on while it has ports", async () => {
    const publisher = await left(true, () => undefined);
    // The first may find the daemon there yet.
    for (let look = 0; look < 3; look += 1) expect(await goesOn(publisher)).toBe(true);
  });

  it.each([
    ["it has none", false, () => undefined],
    ["its data folder is gone", true, () => rmSync(join(folder, "home"), { recursive: true })],
    ["no daemon can find it", true, () => rmSync(place().socket)],
    [
      "daemons find another",
      true,
      () => {
        rmSync(place().socket);
        writeFileSync(place().socket, "");
      },
    ],
  ])("ends when %s", async (_, publish, after) => {
    const publisher = await left(publish, after);
    await expect.poll(() => goesOn(publisher)).toBe(false);
  });
});

it("is not started without a place for its socket", async () => {
  await expect(
    PublisherClient.open({ home: folder, socket: join(folder, "no/such/folder"), log: join(folder, "log") }),
  ).rejects.toMatchObject({ code: "HOST_COMMAND_FAILED", message: expect.stringContaining("publisher") });
  expect(process.exitCode).toBeUndefined();
});
