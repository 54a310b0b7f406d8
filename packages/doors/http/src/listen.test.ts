import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { createHttpDoor } from "./door.ts";
import { fakeDeps, openDoor } from "./testing/fakes.ts";
import { testTls } from "./testing/tls.ts";

const TOKEN = "a-token-of-some-length";

async function setUp() {
  const folder = await mkdtemp(path.join(tmpdir(), "isthmus-listen-"));
  const door = await createHttpDoor(fakeDeps());
  return {
    door,
    folder,
    async [Symbol.asyncDispose]() {
      await door.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function status(options: http.RequestOptions | https.RequestOptions, secure = false): Promise<number | string> {
  return new Promise((resolve) => {
    const request = (secure ? https : http).get({ ...options, path: "/v1/health", agent: false }, (answer) => {
      answer.resume();
      answer.once("end", () => resolve(answer.statusCode ?? 0));
    });
    request.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

describe("the Unix socket", () => {
  it("is for its owner only, in a folder made for it", async () => {
    await using t = await setUp();
    const socketPath = path.join(t.folder, "made", "i.sock");
    const mask = process.umask();
    await t.door.listen({ socketPath });
    expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
    expect((await stat(path.dirname(socketPath))).mode & 0o777).toBe(0o700);
    expect(process.umask()).toBe(mask);
    expect(await status({ socketPath })).toBe(200);
  });

  it("takes the place of one that an ended daemon left", async () => {
    await using t = await setUp();
    const socketPath = path.join(t.folder, "i.sock");
    const stale = net.createServer();
    await new Promise<void>((resolve) => stale.listen(socketPath, resolve));
    // A hard link outlives the name that close() removes, as a socket outlives a killed daemon.
    const { link } = await import("node:fs/promises");
    await link(socketPath, `${socketPath}.kept`);
    await new Promise((resolve) => stale.close(resolve));
    await t.door.listen({ socketPath: `${socketPath}.kept` });
    expect(await status({ socketPath: `${socketPath}.kept` })).toBe(200);
  });

  it("never takes the place of one that answers, nor of a file", async () => {
    await using first = await openDoor();
    await using t = await setUp();
    await expect(t.door.listen({ socketPath: first.socketPath })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    expect(await status({ socketPath: first.socketPath })).toBe(200);
    const file = path.join(t.folder, "file");
    await writeFile(file, "mine");
    await expect(t.door.listen({ socketPath: file })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("refuses paths that no socket can have", async () => {
    await using t = await setUp();
    await expect(t.door.listen({ socketPath: "i.sock" })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(t.door.listen({ socketPath: `/${"x".repeat(200)}` })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("is gone after close, and long answers do not hold that up", async () => {
    const t = await openDoor();
    const { id } = await t.deps.machines.create({ image: "x" }, { start: true });
    const waiting = new Promise<number | undefined>((resolve) => {
      http.get({ socketPath: t.socketPath, path: `/v1/machines/${id}/wait`, agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
    });
    await expect.poll(() => t.deps.machines.signals.length).toBe(1);
    await t[Symbol.asyncDispose]();
    expect(await waiting).toBe(503);
    expect(await status({ socketPath: t.socketPath })).toBe("ENOENT");
  });
});

describe("TCP", () => {
  it("is served with TLS and the token only", async () => {
    await using t = await setUp();
    const { tcpPort: port } = await t.door.listen({ tcp: { host: "127.0.0.1", port: 0, tls: testTls, token: TOKEN } });
    const target = { host: "127.0.0.1", port, ca: testTls.cert };
    const bearer = (token: string) => ({ ...target, headers: { authorization: `Bearer ${token}` } });
    expect(await status(bearer(TOKEN), true)).toBe(200);
    expect(await status(target, true)).toBe(401);
    expect(await status(bearer(`${TOKEN}x`), true)).toBe(401);
    expect(await status(bearer(""), true)).toBe(401);
    expect(await status({ ...target, headers: { authorization: `Basic ${TOKEN}` } }, true)).toBe(401);
    expect(await status({ ...bearer(TOKEN), maxVersion: "TLSv1.1", minVersion: "TLSv1" }, true)).not.toBe(200);
    expect(await status({ host: "127.0.0.1", port })).not.toBe(200);
  });

  it("is refused without a token, a certificate, or a key that fits", async () => {
    await using t = await setUp();
    const listen = (change: object) => t.door.listen({ tcp: { host: "127.0.0.1", port: 0, tls: testTls, token: TOKEN, ...change } });
    await expect(listen({ token: "" })).rejects.toMatchObject({ code: "CONFIG_INVALID", details: { field: "tcp.token" } });
    await expect(listen({ token: "short" })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(listen({ tls: undefined })).rejects.toMatchObject({ code: "CONFIG_INVALID", details: { field: "tcp.tls" } });
    await expect(listen({ tls: { cert: "x", key: "y" } })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(listen({ host: "192.0.2.1" })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});
