import { createSocket, type Socket as Datagrams } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { PublishedPort } from "@isthmus/contract";
import { afterEach, describe, expect, it } from "vitest";
import type { Listener } from "./listener.ts";
import { Room } from "./room.ts";
import { listenTcp } from "./tcp.ts";
import { listenUdp } from "./udp.ts";

const port: PublishedPort = { guest: 1, host: 0, address: "127.0.0.1", protocol: "tcp" };
const udp: PublishedPort = { ...port, protocol: "udp" };
const times = { connectMs: 10_000, idleMs: 60_000 };

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});
const kept = <T extends Listener>(listener: T): T => {
  ends.push(() => listener.close());
  return listener;
};

/** Stands for the machine. */
async function machine(
  serve: (socket: Socket) => void,
): Promise<{ readonly server: Server; readonly address: string; readonly port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => serve(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => server.close());
  return { server, address: "127.0.0.1", port: (server.address() as { port: number }).port };
}

function dial({ port: { address, host } }: Listener): Socket {
  const socket = connect({ host: address, port: host, allowHalfOpen: true }).on("error", () => undefined);
  ends.push(() => socket.destroy());
  return socket;
}

/** The error that it ended with, or `closed`. */
async function endOf(socket: Socket): Promise<string> {
  socket.resume();
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return socket.errored === null ? "closed" : String((socket.errored as NodeJS.ErrnoException).code);
}

describe("a published TCP port", () => {
  it("passes on both ways, bytes that come after one side has ended too", async () => {
    const target = await machine((socket) => {
      void text(socket).then((all) => socket.end(all.toUpperCase()));
    });
    const room = new Room(4);
    const listener = kept(await listenTcp(port, target, room));
    expect(listener.port.host).toBeGreaterThan(0);
    const body = "isthmus ".repeat(200_000);
    const client = dial(listener);
    client.end(body);
    expect(await text(client)).toBe(body.toUpperCase());
    await endOf(client);
    while (room.taken > 0) await new Promise(setImmediate);
  });

  it("listens on IPv6 addresses, and on [::] leaves IPv4 to others", async () => {
    const target = await machine((socket) => socket.end("here"));
    const six = kept(await listenTcp({ ...port, address: "::1" }, target, new Room(4)));
    expect(await text(dial(six))).toBe("here");
    const any = kept(await listenTcp({ ...port, address: "::" }, target, new Room(4)));
    kept(await listenTcp({ ...port, host: any.port.host }, target, new Room(4)));
  });

  it("resets what finds no room, no machine, or a machine that ends", async () => {
    const target = await machine((socket) => socket.resume().once("end", () => socket.end()));
    const room = new Room(1);
    const listener = kept(await listenTcp(port, target, room));
    const first = dial(listener);
    await once(target.server, "connection");
    expect(await endOf(dial(listener))).toBe("ECONNRESET");
    first.destroy();
    while (room.taken > 0) await new Promise(setImmediate);
    const second = dial(listener);
    const [socket] = (await once(target.server, "connection")) as [Socket];
    socket.resetAndDestroy();
    expect(await endOf(second)).toBe("ECONNRESET");
    target.server.close();
    await once(target.server, "close");
    while (room.taken > 0) await new Promise(setImmediate);
    expect(await endOf(dial(listener))).toBe("ECONNRESET");
  });

  it("ends connections that are idle too long", async () => {
    const target = await machine(() => undefined);
    const listener = kept(await listenTcp(port, target, new Room(1), { ...times, idleMs: 20 }));
    expect(await endOf(dial(listener))).toBe("ECONNRESET");
  });

  it("is free at once when it is closed, and what is open ends; one that is taken is said to be", async () => {
    const target = await machine(() => undefined);
    const listener = await listenTcp(port, target, new Room(1));
    await expect(listenTcp(listener.port, target, new Room(1))).rejects.toMatchObject({
      code: "PORT_TAKEN",
      details: { reason: "in use" },
    });
    const client = dial(listener);
    await once(target.server, "connection");
    listener.close();
    kept(await listenTcp(listener.port, target, new Room(1)));
    expect(await endOf(client)).toBe("ECONNRESET");
    const nowhere = listenTcp({ ...port, address: "192.0.2.1" }, target, new Room(1));
    await expect(nowhere).rejects.toMatchObject({ code: "PORT_TAKEN", details: { reason: "this host does not have the address" } });
  });
});

describe("a published UDP port", () => {
  const socket = async (): Promise<Datagrams> => {
    const made = createSocket("udp4");
    made.bind(0, "127.0.0.1");
    await once(made, "listening");
    ends.push(() => made.close());
    return made;
  };
  /** Sends back what comes, with the port that it came from. */
  const echo = async () => {
    const made = await socket();
    made.on("message", (bytes, from) => made.send(`${bytes} by ${from.port}`, from.port, from.address));
    return { address: "127.0.0.1", port: made.address().port };
  };
  const ask = async (client: Datagrams, { port: { host, address } }: Listener, words: string): Promise<string> => {
    client.send(words, host, address);
    const [bytes] = (await once(client, "message")) as [Buffer];
    return bytes.toString();
  };

  it("gives each sender its own answers, from one port of its own for as long as it sends", async () => {
    const room = new Room(8);
    const listener = kept(await listenUdp(udp, await echo(), room));
    const clients = await Promise.all([socket(), socket(), socket()]);
    const first = await Promise.all(clients.map((client, index) => ask(client, listener, `hello ${index}`)));
    expect(first.map((answer) => answer.split(" by ")[0])).toEqual(["hello 0", "hello 1", "hello 2"]);
    expect(new Set(first.map((answer) => answer.split(" by ")[1])).size).toBe(3);
    const again = await Promise.all(clients.map((client, index) => ask(client, listener, `hello ${index}`)));
    expect(again).toEqual(first);
    expect(room.taken).toBe(3);
  });

  it("passes whole datagrams on, up to the largest, and empty ones", async () => {
    const listener = kept(await listenUdp(udp, await echo(), new Room(1)));
    const client = await socket();
    const large = "x".repeat(60_000);
    expect((await ask(client, listener, large)).startsWith(`${large} by `)).toBe(true);
    expect(await ask(client, listener, "")).toMatch(/^ by \d+$/);
  });

  it("makes room for a new sender by forgetting the one that was idle longest", async () => {
    const room = new Room(2);
    const listener = kept(await listenUdp(udp, await echo(), room));
    const [a, b, c] = [await socket(), await socket(), await socket()];
    const [ofA, ofB] = [await ask(a, listener, "1"), await ask(b, listener, "1")];
    expect(await ask(a, listener, "1")).toBe(ofA);
    await ask(c, listener, "1");
    expect(room.taken).toBe(2);
    expect(await ask(a, listener, "1")).toBe(ofA);
    expect(await ask(b, listener, "1")).not.toBe(ofB);
  });

  it("forgets senders that are idle too long", async () => {
    const room = new Room(2);
    const listener = kept(await listenUdp(udp, await echo(), room, 40));
    const client = await socket();
    // It may be forgotten before its answer comes.
    const again = setInterval(() => client.send("1", listener.port.host, listener.port.address), 100);
    ends.push(() => clearInterval(again));
    await once(client, "message");
    clearInterval(again);
    while (room.taken > 0) await new Promise((done) => setTimeout(done, 10));
  });

  it("listens on IPv6 addresses, says that it is taken, and is free when it is closed", async () => {
    const target = await echo();
    const six = kept(await listenUdp({ ...udp, address: "::1" }, target, new Room(1)));
    const client = createSocket("udp6");
    ends.push(() => client.close());
    expect(await ask(client, six, "six")).toMatch(/^six by/);
    const listener = await listenUdp(udp, target, new Room(1));
    await expect(listenUdp(listener.port, target, new Room(1))).rejects.toMatchObject({ code: "PORT_TAKEN" });
    listener.close();
    kept(await listenUdp(listener.port, target, new Room(1)));
  });
});

describe("room", () => {
  it("is bounded for one and for all that share it", () => {
    const all = new Room(3);
    const [a, b] = [new Room(2, all), new Room(2, all)];
    expect([a.take(), a.take(), a.take(), b.take(), b.take()]).toEqual([true, true, false, true, false]);
    a.give();
    expect([b.take(), a.take(), all.taken]).toEqual([true, false, 3]);
  });
});
