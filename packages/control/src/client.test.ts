import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ControlClient, type Dialect, type Numbered } from "./client.ts";
import { CONNECT_MS } from "./config.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-control-"));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

const dialect: Dialect<Numbered> = { name: "process", protocol: 1, readReply: (line) => JSON.parse(line), seqOf: () => undefined };

it("does not wait for ever for what listens and says nothing, as a process that is stopped does", async () => {
  const path = join(folder, "control.sock");
  const server = createServer().listen(path);
  await once(server, "listening");
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const found = ControlClient.find(path, dialect);
  const refused = expect(found).rejects.toMatchObject({ code: "PROTOCOL", details: { reason: "the process says nothing" } });
  await once(server, "connection");
  vi.advanceTimersByTime(CONNECT_MS);
  await refused;
  server.close();
});

/** Says what it is, and answers when it was asked twice. */
const ANSWERS = `
require("node:net").createServer((socket) => {
  const say = (reply) => socket.write(JSON.stringify(reply) + "\\n");
  say({ type: "hello", protocol: 1, pid: process.pid });
  let asked = "";
  socket.on("data", (bytes) => {
    asked += bytes;
    if (asked === "1\\n2\\n") for (const seq of [1, 2]) say({ type: "done", seq });
  });
}).listen(process.argv[1], () => console.log("listens"));`;
/** It has about as long to answer once this process goes on, and may be held up itself. */
const ASKED_MS = 10_000;

it("does not count against a process the time for which it was stopped itself", async () => {
  const path = join(folder, "control.sock");
  const child = spawn(process.execPath, ["-e", ANSWERS, "--", path], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(child.stdout, "data");
    const numbered = { ...dialect, seqOf: (reply: Numbered) => ("seq" in reply ? Number(reply.seq) : undefined) };
    const client = await ControlClient.attach(path, numbered);
    const first = client.ask(1, 1, ASKED_MS, "an answer");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ASKED_MS + 100);
    const second = client.ask(2, 2, ASKED_MS, "an answer");
    expect(await Promise.all([first, second])).toMatchObject([{ seq: 1 }, { seq: 2 }]);
    client.close();
  } finally {
    child.kill();
  }
});
