import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Qmp } from "./qmp.ts";

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n';

let folder: string;
let path: string;
let server: Server;
let client: Socket | undefined;

/** A monitor that answers each command as `answer` says; nothing when it says undefined. */
async function serve(answer: (command: { execute: string; arguments?: unknown }) => string | undefined): Promise<void> {
  server = createServer((socket) => {
    client = socket;
    let held = "";
    socket.on("error", () => {});
    socket.write(GREETING);
    socket.on("data", (data) => {
      const lines = (held + data.toString()).split("\n");
      held = lines.pop() ?? "";
      for (const line of lines) {
        const reply = answer(JSON.parse(line));
        if (reply !== undefined) socket.write(reply);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

const agreeable = ({ execute, arguments: args }: { execute: string; arguments?: unknown }) =>
  `{"event": "NOISE"}\r\n{"return": ${JSON.stringify(execute === "qmp_capabilities" ? {} : { execute, args })}}\r\n`;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "isthmus-test-"));
  path = join(folder, "qmp.sock");
});
afterEach(async () => {
  client?.destroy();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

describe("QMP", () => {
  it("answers commands in order, past greeting and events", async () => {
    await serve(agreeable);
    const qmp = await Qmp.connect(path);
    const answers = await Promise.all([qmp.execute("stop"), qmp.execute("cont", { a: "b" })]);
    expect(answers).toEqual([
      { execute: "stop", args: {} },
      { execute: "cont", args: { a: "b" } },
    ]);
    qmp.close();
  });

  it("makes QEMU's error ours", async () => {
    await serve((command) =>
      command.execute === "qmp_capabilities" ? agreeable(command) : '{"error": {"class": "GenericError", "desc": "no such thing"}}\n',
    );
    const qmp = await Qmp.connect(path);
    await expect(qmp.execute("stop")).rejects.toMatchObject({ code: "HOST_COMMAND_FAILED", details: { reason: "no such thing" } });
    qmp.close();
  });

  it("gives up on a QEMU that does not answer", async () => {
    await serve(() => undefined);
    await expect(Qmp.connect(path, 5)).rejects.toMatchObject({ code: "TIMEOUT" });
  });

  it("waits for a QEMU that has just begun, and not for ever", async () => {
    const connecting = Qmp.connect(path);
    await new Promise((resolve) => setImmediate(resolve));
    await serve(agreeable);
    (await connecting).close();
    await expect(Qmp.connect(join(folder, "other.sock"), 1)).rejects.toMatchObject({ code: "PROTOCOL" });
  });

  it("does not take a late answer for another command's", async () => {
    const held: string[] = [];
    await serve((command) => {
      if (command.execute !== "slow") return held.splice(0).join("") + agreeable(command);
      held.push(agreeable(command));
      return undefined;
    });
    const qmp = await Qmp.connect(path);
    await expect(qmp.execute("slow", {}, 5)).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(await qmp.execute("stop")).toMatchObject({ execute: "stop" });
    qmp.close();
  });

  it.each([
    ["closes the connection", (socket: Socket) => socket.destroy()],
    ["sends garbage", (socket: Socket) => socket.write("garbage\n")],
    ["sends a line without end", (socket: Socket) => socket.write(Buffer.alloc(2 * 1024 * 1024, 0x20))],
  ])("fails what waits when QEMU %s", async (_, misbehave) => {
    await serve((command) => (command.execute === "qmp_capabilities" ? agreeable(command) : undefined));
    const qmp = await Qmp.connect(path);
    const waiting = qmp.execute("stop");
    if (client !== undefined) misbehave(client);
    await expect(waiting).rejects.toMatchObject({ code: "PROTOCOL" });
    await qmp.closed;
    expect(qmp.open).toBe(false);
    await expect(qmp.execute("cont")).rejects.toMatchObject({ code: "PROTOCOL" });
  });
});
