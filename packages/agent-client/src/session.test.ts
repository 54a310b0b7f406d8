import { buffer, text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { GREETING_MAGIC, INITIAL_CREDIT_BYTES } from "./config.ts";
import { FakeAgent } from "./fake-agent.fixture.ts";
import { END_FLAG, encodeFrame, type Frame, stdio } from "./frames.ts";
import { AgentSession, type SessionOptions, WORKLOAD_STREAM } from "./session.ts";

async function connect(options: Partial<SessionOptions> = {}, hello = {}) {
  const agent = new FakeAgent();
  const opening = AgentSession.open(agent.host, { name: "web", ...options });
  agent.greet(hello);
  return { agent, session: await opening };
}

const isRequest = (frame: Frame) => frame.type === "request";

describe("opening a session", () => {
  it("finds the greeting behind the remains of an older session and echoes its number", async () => {
    const agent = new FakeAgent();
    const opening = AgentSession.open(agent.host, { name: "web" });
    agent.raw(Buffer.from("left over bytes ISTHMUS-AGENT/"));
    for (const byte of Buffer.concat([GREETING_MAGIC.subarray(0, 5), GREETING_MAGIC])) agent.raw(Buffer.from([byte]));
    agent.send("hello", 0, { protocol: 1, session: 42, version: "0.1.0", state: "running" });
    const session = await opening;
    expect(session.greeting).toMatchObject({ session: 42, state: "running" });
    expect((await agent.seen((frame) => frame.type === "hello")).payload.toString()).toBe('{"protocol":1,"session":42}');
  });

  it("takes the newest of two greetings", async () => {
    const agent = new FakeAgent();
    const hello = (session: number) =>
      encodeFrame("hello", 0, Buffer.from(JSON.stringify({ protocol: 1, session, version: "0", state: "idle" })));
    agent.raw(Buffer.concat([GREETING_MAGIC, hello(1), GREETING_MAGIC, hello(2)]));
    expect((await AgentSession.open(agent.host, { name: "web" })).greeting.session).toBe(2);
  });

  it.each([
    ["another protocol version", { protocol: 2 }],
    ["an unknown state", { state: "dreaming" }],
    ["no session number", { session: "x" }],
  ])("with %s is AGENT_PROTOCOL", async (_, hello) => {
    await expect(connect({}, hello)).rejects.toMatchObject({ code: "AGENT_PROTOCOL" });
  });

  it("without a greeting is AGENT_UNREACHABLE and destroys the channel", async () => {
    const agent = new FakeAgent();
    await expect(AgentSession.open(agent.host, { name: "web", greetingDeadlineMs: 5 })).rejects.toMatchObject({
      code: "AGENT_UNREACHABLE",
    });
    expect(agent.host.destroyed).toBe(true);
  });

  it("can be given up", async () => {
    const agent = new FakeAgent();
    const abort = new AbortController();
    const opening = AgentSession.open(agent.host, { name: "web", signal: abort.signal });
    abort.abort();
    await expect(opening).rejects.toMatchObject({ code: "CANCELLED" });
  });
});

describe("a request", () => {
  it("gets the reply that belongs to it, in whatever order they come", async () => {
    const { agent, session } = await connect();
    const waiting: number[] = [];
    agent.onRequest((_, stream) => {
      waiting.push(stream);
      if (waiting.length === 2) for (const id of waiting.toReversed()) agent.send("reply", id, { ok: true, id });
    });
    const [first, second] = await Promise.all([session.request("ping"), session.request("ping")]);
    expect([first.id, second.id]).toEqual(waiting);
  });

  it.each([
    ["not_found", "PATH_NOT_FOUND", "Check the path."],
    ["bad_archive", "BAD_ARCHIVE", ""],
    ["too_many_streams", "TOO_MANY_REQUESTS", ""],
    ["bad_user", "AGENT_REFUSED", "run --rm -u 0 IMAGE cat /etc/passwd lists them. Numbers"],
    ["something new", "AGENT_REFUSED", "Correct the request: something new."],
  ])("refused as %s throws %s and says what to do", async (code, expected, remedy) => {
    const { agent, session } = await connect();
    agent.onRequest((_, stream) => agent.send("reply", stream, { ok: false, error: { code, message: "why" } }));
    await expect(session.request("stat", {}, { path: "/x" })).rejects.toMatchObject({
      code: expected,
      remedy: expect.stringContaining(remedy),
    });
    expect(session.open).toBe(true);
  });

  it("without a reply in time is AGENT_UNREACHABLE, and the late reply does no harm", async () => {
    const { agent, session } = await connect({ requestDeadlineMs: 5 });
    await expect(session.request("stats")).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    const late = await agent.seen(isRequest);
    agent.send("reply", late.stream, { ok: true });
    agent.onRequest((_, stream) => agent.send("reply", stream, { ok: true, fine: 1 }));
    expect(await session.request("ping", {}, { deadlineMs: 5000 })).toMatchObject({ fine: 1 });
  });

  it("that was cancelled kills the process that the agent starts after all", async () => {
    const { agent, session } = await connect();
    const abort = new AbortController();
    const asked = session.openStream("exec", { argv: ["sleep"] }, { signal: abort.signal });
    const request = await agent.seen(isRequest);
    abort.abort();
    await expect(asked).rejects.toMatchObject({ code: "CANCELLED" });
    agent.send("reply", request.stream, { ok: true, pid: 5 });
    const kill = await agent.seen((frame) => isRequest(frame) && frame.stream !== request.stream);
    expect(JSON.parse(kill.payload.toString())).toMatchObject({ op: "signal", stream: request.stream, signal: 9 });
  });

  it("larger than a frame is refused before it is sent", async () => {
    const { session } = await connect();
    await expect(session.request("exec", { argv: ["x".repeat(70_000)] })).rejects.toMatchObject({ code: "TOO_LARGE" });
  });

  it("beyond the limit of pending ones is refused", async () => {
    const { session } = await connect();
    const pending = Array.from({ length: 64 }, () => session.request("ping").catch((error: unknown) => error));
    await expect(session.request("ping")).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS" });
    session.close();
    for (const error of await Promise.all(pending)) expect(error).toMatchObject({ code: "AGENT_UNREACHABLE" });
  });
});

async function exec(hello = {}) {
  const { agent, session } = await connect({}, hello);
  agent.onRequest((_, stream) => agent.send("reply", stream, { ok: true, pid: 12 }));
  return { agent, session, ...(await session.openStream("exec", { argv: ["cat"] })) };
}

describe("a stream", () => {
  it("hands on output of both channels and the exit", async () => {
    const { agent, stream, reply } = await exec();
    agent.send("data", stream.id, Buffer.from("out"), stdio.stdout);
    agent.send("data", stream.id, Buffer.from("err"), stdio.stderr | END_FLAG);
    agent.send("data", stream.id, Buffer.from("put"), stdio.stdout | END_FLAG);
    agent.send("exit", stream.id, { code: 143, signal: 15 });
    expect(reply.pid).toBe(12);
    expect(await Promise.all([text(stream.stdout), text(stream.stderr)])).toEqual(["output", "err"]);
    expect(await stream.exit).toEqual({ code: 143, signal: 15 });
  });

  it("gives the guest new credit only as its output is read", async () => {
    const { agent, session, stream } = await exec();
    const chunk = Buffer.alloc(INITIAL_CREDIT_BYTES / 8, 1);
    for (let sent = 0; sent < INITIAL_CREDIT_BYTES; sent += chunk.length) agent.send("data", stream.id, chunk, stdio.stdout);
    await session.request("ping");
    const granted = () =>
      agent.frames.filter((frame) => frame.type === "credit").reduce((sum, frame) => sum + frame.payload.readUInt32LE(0), 0);
    expect(granted()).toBeLessThan(INITIAL_CREDIT_BYTES);
    agent.send("data", stream.id, Buffer.alloc(0), stdio.stderr | END_FLAG);
    let read = 0;
    for await (const bytes of stream.stdout) {
      read += bytes.length;
      if (read === INITIAL_CREDIT_BYTES) break;
    }
    await agent.seen(() => granted() === INITIAL_CREDIT_BYTES);
  });

  it("ends the session when the guest exceeds its credit", async () => {
    const { agent, session, stream } = await exec();
    const chunk = Buffer.alloc(65_536);
    for (let sent = 0; sent <= INITIAL_CREDIT_BYTES; sent += chunk.length) agent.send("data", stream.id, chunk, stdio.stdout);
    expect(await session.closed).toMatchObject({ code: "AGENT_PROTOCOL" });
    await expect(stream.exit).rejects.toMatchObject({ code: "AGENT_PROTOCOL" });
  });

  it("holds input back until the guest grants credit, byte for byte", async () => {
    const { agent, stream } = await exec();
    const input = Buffer.from(Array.from({ length: INITIAL_CREDIT_BYTES + 1000 }, (_, index) => index % 251));
    const written = stream.input.write(input);
    await agent.seen(() => agent.received(stream.id).length === INITIAL_CREDIT_BYTES);
    agent.credit(stream.id, 1000);
    await written;
    await stream.input.end();
    await agent.seen((frame) => frame.type === "data" && (frame.flags & END_FLAG) !== 0);
    expect(agent.received(stream.id).equals(input)).toBe(true);
  });

  it("drops input that waits for credit when its process is gone", async () => {
    const { agent, stream } = await exec();
    const written = stream.input.write(Buffer.alloc(INITIAL_CREDIT_BYTES + 1));
    agent.send("exit", stream.id, { code: 0 });
    await written;
  });

  it("whose output nobody wants lets the guest go on", async () => {
    const { agent, stream } = await exec();
    stream.discard();
    const chunk = Buffer.alloc(65_536);
    for (let sent = 0; sent < 3 * INITIAL_CREDIT_BYTES; sent += chunk.length) {
      agent.send("data", stream.id, chunk, stdio.stdout);
      await agent.seen((frame) => frame.type === "credit");
      agent.frames.length = 0;
    }
    agent.send("exit", stream.id, { code: 0 });
    expect(await stream.exit).toEqual({ code: 0 });
  });

  it("fails with AGENT_UNREACHABLE when the guest vanishes, after what came whole", async () => {
    const { agent, session, stream } = await exec();
    agent.send("data", stream.id, Buffer.from("whole"), stdio.stderr | END_FLAG);
    await session.request("ping");
    const writing = stream.input.write(Buffer.alloc(INITIAL_CREDIT_BYTES + 1));
    agent.vanish();
    await expect(writing).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    await expect(stream.exit).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    await expect(buffer(stream.stdout)).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    expect(await text(stream.stderr)).toBe("whole");
    await expect(session.request("ping")).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
  });
});

describe("a session", () => {
  it.each<[string, (agent: FakeAgent) => void]>([
    ["a reply to nothing", (agent) => agent.send("reply", 99, { ok: true })],
    ["data on no stream", (agent) => agent.send("data", 99, Buffer.from("x"), stdio.stdout)],
    ["an exit of no stream", (agent) => agent.send("exit", 99, { code: 0 })],
    ["a request", (agent) => agent.send("request", 3, { op: "ping" })],
    ["credit that is no u32", (agent) => agent.send("credit", WORKLOAD_STREAM, Buffer.from("x"))],
    ["JSON that is none", (agent) => agent.send("event", 0, Buffer.from("{"))],
    ["the agent's complaint", (agent) => agent.send("event", 0, { event: "protocol_error", message: "x" })],
    ["garbage", (agent) => agent.raw(Buffer.alloc(100, 0xff))],
  ])("ends with AGENT_PROTOCOL at %s", async (_, misbehave) => {
    const { agent, session } = await connect();
    misbehave(agent);
    expect(await session.closed).toMatchObject({ code: "AGENT_PROTOCOL" });
    expect(agent.host.destroyed).toBe(true);
  });

  it("is over when the agent greets anew, and what waits in it fails", async () => {
    const { agent, session } = await connect();
    const asked = session.request("ping");
    agent.send("event", 0, { event: "something" });
    agent.greet({ session: 8 });
    await expect(asked).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    expect(await session.closed).toMatchObject({ code: "AGENT_UNREACHABLE", message: expect.stringContaining("began another session") });
  });

  it("sends the workload's stdin with the credit of this session", async () => {
    const { agent, session } = await connect({}, { state: "running" });
    const written = session.workloadInput.write(Buffer.from("hello"));
    agent.credit(WORKLOAD_STREAM, 5);
    await written;
    await agent.seen(() => agent.received(WORKLOAD_STREAM).toString() === "hello");
  });

  it("tells of events until nobody listens", async () => {
    const { agent, session } = await connect();
    const events: unknown[] = [];
    const stop = session.onEvent((event) => events.push(event.event));
    agent.onRequest((_, stream) => agent.send("reply", stream, { ok: true }));
    agent.send("event", 0, { event: "exited", code: 0 });
    await session.request("ping");
    stop();
    agent.send("event", 0, { event: "exited", code: 0 });
    await session.request("ping");
    expect(events).toEqual(["exited"]);
  });
});

describe("an answer that cannot be read", () => {
  it("ends the request that it answers at once, not at its deadline", async () => {
    const { agent, session } = await connect();
    const asked = session.request("stats");
    const { stream } = await agent.seen(isRequest);
    agent.send("reply", stream, Buffer.from("{{{"));
    await expect(asked).rejects.toMatchObject({ code: "AGENT_PROTOCOL" });
  });

  it("ends the stream that it ends, so that nobody waits for ever", async () => {
    const { agent, session } = await connect();
    agent.onRequest((_, stream) => agent.send("reply", stream, { ok: true }));
    const { stream } = await session.openStream("exec", {});
    agent.send("exit", stream.id, { code: "0" });
    await expect(stream.exit).rejects.toMatchObject({ code: "AGENT_PROTOCOL" });
    expect(session.open).toBe(false);
  });
});
