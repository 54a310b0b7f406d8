import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createHttpDoor } from "@isthmus/door-http";
import { openDoor } from "@isthmus/door-http/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backOff, hasCode, Isthmus } from "./mod.ts";

/** A way to the door that is cut after so many bytes of an answer, connection after connection; open once the list is used up. */
async function cuttingProxy(target: string, cuts: number[]) {
  const folder = mkdtempSync(path.join(tmpdir(), "isthmus-proxy-"));
  const socketPath = path.join(folder, "isthmus.sock");
  const server = net.createServer((client) => {
    const upstream = net.connect(target);
    let left = cuts.shift() ?? Number.POSITIVE_INFINITY;
    client.on("error", () => undefined).on("close", () => upstream.destroy());
    upstream.on("error", () => undefined).on("close", () => client.destroy());
    client.pipe(upstream);
    upstream.on("data", (bytes: Buffer) => {
      if (bytes.length >= left) client.end(bytes.subarray(0, left), () => client.destroy());
      else client.write(bytes);
      left -= bytes.length;
      if (left <= 0) upstream.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    socketPath,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const again = async () => undefined;

describe("output over lost connections", () => {
  it("is whole and nothing is doubled, wherever they break", async () => {
    await using open = await openDoor();
    const printed = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 400 }), stderr: fc.boolean() }), { minLength: 1, maxLength: 20 });
    const cuts = fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(printed, cuts, async (pieces, places) => {
        const { machines } = open.deps;
        const { id } = await machines.create({ image: "busybox" }, { start: true });
        const sent = { stdout: "", stderr: "" };
        for (const [index, piece] of pieces.entries()) {
          const stream = piece.stderr ? "stderr" : "stdout";
          const text = `${index}:`.padEnd(piece.bytes, String(index % 10));
          sent[stream] += text;
          machines.print(id, stream, text);
        }
        machines.exit(id, { code: 7 });
        await using proxy = await cuttingProxy(open.socketPath, [...places, ...places]);
        using isthmus = new Isthmus({ socketPath: proxy.socketPath });
        const handle = isthmus.machines.handle(id);
        const raw = { stdout: "", stderr: "" };
        for await (const { stream, bytes } of handle.rawLogs({ follow: true, reconnect: again })) raw[stream] += bytes.toString();
        const text = { stdout: "", stderr: "", system: "" };
        for await (const line of handle.logs({ follow: true, reconnect: again })) text[line.stream] += line.text;
        expect([raw, text]).toEqual([sent, { ...sent, system: "" }]);
        expect(await handle.wait({ reconnect: again })).toEqual({ code: 7 });
      }),
      { numRuns: 60 },
    );
  });

  it("goes on with the next daemon after one that stopped in order", async () => {
    await using open = await openDoor();
    const { machines } = open.deps;
    using isthmus = new Isthmus({ socketPath: open.socketPath });
    const { id } = await isthmus.machines.run({ image: "busybox" });
    machines.print(id, "stdout", "before\n");
    const losses: string[] = [];
    let next: Awaited<ReturnType<typeof createHttpDoor>> | undefined;
    const reconnect = async ({ cause }: { cause: { code: string } }) => {
      losses.push(cause.code);
      if (losses.length > 1) return;
      machines.print(id, "stdout", "between\n");
      next = await createHttpDoor(open.deps);
      await next.listen({ socketPath: open.socketPath });
      setTimeout(() => {
        machines.print(id, "stdout", "after\n");
        machines.exit(id, { code: 0 });
      }, 50);
    };
    let text = "";
    for await (const { bytes } of isthmus.machines.handle(id).rawLogs({ follow: true, reconnect })) {
      if (text === "") void open.door.close();
      text += bytes.toString();
    }
    expect(text).toBe("before\nbetween\nafter\n");
    expect(losses[0]).toBe("SHUTTING_DOWN");
    await next?.close();
  });

  it("of the last start only, when asked", async () => {
    await using open = await openDoor();
    using isthmus = new Isthmus({ socketPath: open.socketPath });
    const machine = await isthmus.machines.create({ image: "busybox" }, { start: false });
    const handle = isthmus.machines.handle(machine.id);
    open.deps.machines.print(machine.id, "stdout", "earlier\n");
    await handle.start();
    open.deps.machines.print(machine.id, "stdout", "now\n");
    const texts = await Array.fromAsync(handle.logs({ latest: true }), ({ text }) => text);
    expect(texts).toEqual(["now\n"]);
    expect(await Array.fromAsync(handle.logs({ latest: true, from: 0 }), ({ text }) => text)).toEqual(["earlier\n", "now\n"]);
  });
});

describe("backing off", () => {
  it("gives up with what was lost, after so many tries or when the call is aborted", async () => {
    using isthmus = new Isthmus({ socketPath: "/nowhere/isthmus.sock" });
    const handle = isthmus.machines.handle("web");
    const lost = await handle.wait({ reconnect: backOff({ attempts: 2 }) }).catch((error: unknown) => error);
    expect(hasCode(lost, "DAEMON_UNREACHABLE")).toBe(true);
    const abort = new AbortController();
    const waiting = handle.wait({ reconnect: backOff(), signal: abort.signal }).catch((error: unknown) => error);
    setTimeout(() => abort.abort(), 200);
    expect(hasCode(await waiting, "DAEMON_UNREACHABLE", "CANCELLED")).toBe(true);
  });

  it("does not ask for what is refused for another reason", async () => {
    await using open = await openDoor();
    using isthmus = new Isthmus({ socketPath: open.socketPath });
    let asked = 0;
    const reconnect = async () => {
      asked += 1;
    };
    const failed = await isthmus.machines
      .handle("nobody")
      .wait({ reconnect })
      .catch((error: unknown) => error);
    expect([hasCode(failed, "MACHINE_NOT_FOUND"), asked]).toEqual([true, 0]);
  });
});
