import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentLink } from "./agent-link.ts";

const HEADER_BYTES = 12;
const MINUTE_MS = 60_000;

const [HELLO, REQUEST, REPLY] = [1, 2, 3] as const;

function frame(type: number, stream: number, payload: object): Buffer {
  const bytes = Buffer.from(JSON.stringify(payload));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(bytes.length, 0);
  header.writeUInt8(type, 4);
  header.writeUInt32LE(stream, 8);
  return Buffer.concat([header, bytes]);
}

function greeting(session: number): Buffer {
  const hello = frame(HELLO, 0, { protocol: 1, session, version: "0.1.0", state: "running" });
  return Buffer.concat([Buffer.from("ISTHMUS-AGENT/1\n"), hello]);
}

/** Says yes to each request in `bytes`. */
function answer(client: Socket, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at += HEADER_BYTES + bytes.readUInt32LE(at))
    if (bytes.readUInt8(at + 4) === REQUEST) client.write(frame(REPLY, bytes.readUInt32LE(at + 8), { ok: true }));
}

let folder: string;
let path: string;
let server: Server;
const clients: Socket[] = [];

/** An agent that greets its nth client when `greets(n)` says so; n counts from 1. */
async function serve(greets: (n: number) => boolean): Promise<void> {
  server = createServer((client) => {
    clients.push(client);
    client.on("error", () => {});
    client.on("data", (bytes) => answer(client, bytes));
    if (greets(clients.length)) client.write(greeting(clients.length));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "isthmus-test-"));
  path = join(folder, "agent.sock");
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

describe("the way to an agent", () => {
  it("is one session for all who ask", async () => {
    await serve(() => true);
    const link = new AgentLink(path, "web");
    const [first, second] = await Promise.all([link.session(MINUTE_MS, MINUTE_MS), link.session(MINUTE_MS, MINUTE_MS)]);
    expect(first).toBe(second);
    expect(clients).toHaveLength(1);
    link.close();
  });

  it("connects again when the guest did not notice that its client changed", async () => {
    await serve((n) => n > 1);
    const link = new AgentLink(path, "web");
    const { greeting } = await link.session();
    expect(clients.length).toBeGreaterThan(1);
    expect(greeting.session).toBe(clients.length);
    link.close();
  });

  it("does not take a greeting that was meant for the connection before", async () => {
    await serve((n) => n > 1);
    server.on("connection", (client) => {
      // The guest sees only now that its first client went and another came.
      if (clients.length === 2) client.prependOnceListener("data", () => client.write(greeting(3)));
    });
    const link = new AgentLink(path, "web");
    const session = await link.session();
    expect(clients.length).toBeGreaterThan(2);
    expect([session.greeting.session, session.open]).toEqual([clients.length, true]);
    link.close();
  });

  it("does not give up with one who had less time", async () => {
    await serve((n) => n > 1);
    const link = new AgentLink(path, "web");
    const hasty = link.session(50);
    const patient = link.session();
    await expect(hasty).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    expect((await patient).open).toBe(true);
    link.close();
  });

  it("comes back by itself when the session is lost", async () => {
    await serve(() => true);
    const link = new AgentLink(path, "web");
    const session = await link.session(MINUTE_MS, MINUTE_MS);
    clients[0]?.destroy();
    await session.closed;
    await expect.poll(() => clients.length).toBeGreaterThan(1);
    const { greeting } = await link.session();
    expect(greeting.session).toBe(clients.length);
    link.close();
  });

  it("ends what waits when it is let go, and does not come back", async () => {
    await serve(() => false);
    const link = new AgentLink(path, "web");
    const waiting = link.session();
    while (clients.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    link.close();
    await expect(waiting).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    await expect(link.session()).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    expect(clients).toHaveLength(1);
  });
});
