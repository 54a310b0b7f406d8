import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { getArchive, putArchive } from "./archive.ts";
import { TRANSFER_WORDS_BYTES } from "./config.ts";
import { FakeAgent } from "./fake-agent.fixture.ts";
import { END_FLAG, stdio } from "./frames.ts";
import { AgentSession } from "./session.ts";

async function connect() {
  const agent = new FakeAgent();
  const opening = AgentSession.open(agent.host, { name: "web" });
  agent.greet();
  agent.onRequest((_, stream) => agent.send("reply", stream, { ok: true }));
  return { agent, session: await opening };
}

const isRequestOf = (op: string) => (frame: { type: string; payload: Buffer }) =>
  frame.type === "request" && JSON.parse(frame.payload.toString()).op === op;

describe("putting an archive", () => {
  it("sends it whole and waits for the guest's word", async () => {
    const { agent, session } = await connect();
    const putting = putArchive(session, "/srv", Readable.from([Buffer.from("tar "), Buffer.from("bytes")]));
    const end = await agent.seen((frame) => frame.type === "data" && (frame.flags & END_FLAG) !== 0);
    agent.send("exit", end.stream, { code: 0 });
    await putting;
    expect(agent.received(end.stream).toString()).toBe("tar bytes");
  });

  it("throws what the guest says of it, though it was not sent to its end", async () => {
    const { agent, session } = await connect();
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(65_536);
      })(),
    );
    const putting = putArchive(session, "/srv", endless);
    const request = await agent.seen(isRequestOf("put"));
    agent.send("data", request.stream, Buffer.from("bad_arc"), stdio.stderr);
    agent.send("data", request.stream, Buffer.from("hive\nbad checksum"), stdio.stderr | END_FLAG);
    agent.send("exit", request.stream, { code: 1 });
    await expect(putting).rejects.toMatchObject({ code: "BAD_ARCHIVE", details: { reason: "bad checksum" } });
    expect(endless.destroyed).toBe(true);
  });

  it("that cannot be read is BAD_ARCHIVE and stops the guest's side", async () => {
    const { agent, session } = await connect();
    const broken = new Readable({
      read() {
        this.destroy(new RangeError("gone"));
      },
    });
    await expect(putArchive(session, "/srv", broken)).rejects.toMatchObject({ code: "BAD_ARCHIVE" });
    await agent.seen(isRequestOf("signal"));
  });

  it("can be cancelled", async () => {
    const { agent, session } = await connect();
    const abort = new AbortController();
    const putting = putArchive(session, "/srv", new Readable({ read() {} }), { signal: abort.signal });
    await agent.seen(isRequestOf("put"));
    setImmediate(() => abort.abort());
    await expect(putting).rejects.toMatchObject({ code: "CANCELLED" });
  });
});

describe("getting an archive", () => {
  it("ends when the guest says that it is whole", async () => {
    const { agent, session } = await connect();
    const archive = await getArchive(session, "/srv");
    const { stream } = await agent.seen(isRequestOf("get"));
    agent.send("data", stream, Buffer.from("tar bytes"), stdio.stdout | END_FLAG);
    agent.send("exit", stream, { code: 0 });
    expect(await text(archive)).toBe("tar bytes");
  });

  it("is not taken for whole when the guest failed behind the last byte", async () => {
    const { agent, session } = await connect();
    const archive = await getArchive(session, "/srv");
    const { stream } = await agent.seen(isRequestOf("get"));
    agent.send("data", stream, Buffer.from("tar"), stdio.stdout | END_FLAG);
    agent.send("data", stream, Buffer.from("io_error\nread: I/O error"), stdio.stderr | END_FLAG);
    agent.send("exit", stream, { code: 1 });
    await expect(text(archive)).rejects.toMatchObject({ code: "AGENT_REFUSED", details: { reason: "read: I/O error", code: "io_error" } });
  });

  it.each([
    [{ code: 137, signal: 9 }, "", "it ended with signal 9"],
    [{ code: 126 }, "isthmus: isthmus-task: Permission denied\n", "isthmus: isthmus-task: Permission denied"],
    [{ code: 1 }, `io_error\n${"x".repeat(100_000)}`, "x".repeat(TRANSFER_WORDS_BYTES - "io_error\n".length)],
  ])("names how %j came about", async (exit, words, reason) => {
    const { agent, session } = await connect();
    const archive = await getArchive(session, "/srv");
    const { stream } = await agent.seen(isRequestOf("get"));
    for (let at = 0; at < words.length; at += 50_000) agent.send("data", stream, Buffer.from(words.slice(at, at + 50_000)), stdio.stderr);
    agent.send("exit", stream, exit);
    await expect(text(archive)).rejects.toMatchObject({ code: "AGENT_REFUSED", details: { reason } });
  });

  it("that is cancelled stops a guest that sends nothing", async () => {
    const { agent, session } = await connect();
    const abort = new AbortController();
    const reading = text(await getArchive(session, "/srv", abort.signal));
    await agent.seen(isRequestOf("get"));
    setImmediate(() => abort.abort());
    await expect(reading).rejects.toMatchObject({ code: "CANCELLED" });
    await agent.seen(isRequestOf("signal"));
  });

  it("that is not read to its end stops the guest's side", async () => {
    const { agent, session } = await connect();
    const archive = await getArchive(session, "/srv");
    archive.destroy();
    await agent.seen(isRequestOf("signal"));
  });
});
