import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentLink } from "./agent-link.ts";

const HEADER_BYTES = 12;

function greeting(session: number): Buffer {
  const hello = Buffer.from(JSON.stringify({ protocol: 1, session, version: "0.1.0", state: "running" }));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(hello.length, 0);
  header.writeUInt8(1, 4);
  return Buffer.concat([Buffer.from("ISTHMUS-AGENT/1\n"), header, hello]);
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
    client.resume();
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
    const [first, second] = await Promise.all([link.session(), link.session()]);
    expect(first).toBe(second);
    expect(clients).toHaveLength(1);
    link.close();
  });

  it("connects again when the guest did not notice that its client changed", async () => {
    await serve((n) => n > 1);
    const link = new AgentLink(path, "web");
    expect((await link.session()).greeting.session).toBe(2);
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
    const session = await link.session();
    clients[0]?.destroy();
    await session.closed;
    while (clients.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await link.session()).greeting.session).toBe(2);
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
