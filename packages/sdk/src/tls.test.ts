import { Readable } from "node:stream";
import { createServer } from "node:tls";
import { createHttpDoor, type TlsKeys } from "@isthmus/door-http";
import { fakeDeps, TestAuthority, testTls } from "@isthmus/door-http/testing";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { Isthmus } from "./mod.ts";

/** A refusal counts however late it comes; where none comes, the whole time is waited. */
const waits = vi.hoisted(() => ({ refusalMs: 30_000 }));
vi.mock("./config.ts", async (original) => ({
  ...(await original<object>()),
  get REFUSAL_MS() {
    return waits.refusalMs;
  },
}));
afterEach(() => {
  waits.refusalMs = 30_000;
});

const TOKEN = "a-token-of-some-length";

async function setUp(tls: TlsKeys = testTls) {
  const deps = fakeDeps();
  const door = await createHttpDoor(deps);
  const { tcpPort } = await door.listen({ tcp: { host: "127.0.0.1", port: 0, tls, token: TOKEN } });
  return { deps, url: `https://127.0.0.1:${tcpPort}`, [Symbol.asyncDispose]: () => door.close() };
}

describe("a daemon on TCP", () => {
  it("serves requests, streams and sessions over TLS", async () => {
    await using t = await setUp();
    using isthmus = new Isthmus({ url: t.url, token: TOKEN, ca: testTls.cert });
    await using machine = await isthmus.machines.run({ image: "busybox" });
    expect(await machine.execText(["sh", "-c", "echo over TLS"])).toEqual({ code: 0, stdout: "over TLS\n", stderr: "" });
    await machine.putArchive("/data", Readable.from([Buffer.alloc(200_000)]));
    t.deps.machines.print(machine.id, "stdout", "line");
    for await (const line of machine.logs()) expect(line.text).toBe("line");
  });

  it("refuses another token on requests and sessions alike", async () => {
    await using t = await setUp();
    using isthmus = new Isthmus({ url: t.url, token: `${TOKEN}x`, ca: testTls.cert });
    await expect(isthmus.version()).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    await expect(isthmus.machines.handle("m").exec(["true"])).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  });

  it("is not talked to when its certificate is not trusted", async () => {
    await using t = await setUp();
    using isthmus = new Isthmus({ url: t.url, token: TOKEN });
    const untrusted = { code: "DAEMON_UNREACHABLE", remedy: expect.stringContaining("ISTHMUS_CA_FILE") };
    await expect(isthmus.version()).rejects.toMatchObject(untrusted);
    await expect(isthmus.machines.handle("m").exec(["true"])).rejects.toMatchObject(untrusted);
  });

  it("is not told to be started here when nobody listens there", async () => {
    const t = await setUp();
    await t[Symbol.asyncDispose]();
    using isthmus = new Isthmus({ url: t.url, token: TOKEN, ca: testTls.cert });
    const remedy = expect.stringMatching(/^(?!.*daemon start).*ISTHMUS_URL.*ISTHMUS_TCP_ADDRESS/);
    const absent = { code: "DAEMON_UNREACHABLE", message: `no daemon answers at ${t.url}: nobody listens there`, remedy };
    await expect(isthmus.version()).rejects.toMatchObject(absent);
    await expect(isthmus.machines.handle("m").exec(["true"])).rejects.toMatchObject(absent);
  });
});

describe("a daemon that asks for client certificates", () => {
  const authority = new TestAuthority("authority");
  const other = new TestAuthority("other");
  afterAll(() => {
    authority[Symbol.dispose]();
    other[Symbol.dispose]();
  });
  const tls = { ...testTls, clientCa: authority.cert };
  const { cert: certificate, key } = authority.issue("laptop");

  it("serves requests, streams and sessions to those that have one", async () => {
    await using t = await setUp(tls);
    using isthmus = new Isthmus({ url: t.url, token: TOKEN, ca: testTls.cert, certificate, key });
    await using machine = await isthmus.machines.run({ image: "busybox" });
    expect(await machine.execText(["sh", "-c", "echo both known"])).toEqual({ code: 0, stdout: "both known\n", stderr: "" });
    await machine.putArchive("/data", Readable.from([Buffer.alloc(200_000)]));
    using untold = new Isthmus({ url: t.url, token: `${TOKEN}x`, ca: testTls.cert, certificate, key });
    await expect(untold.version()).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  });

  it.each([
    ["none was given", undefined],
    ["(CN=late) has expired, at ", authority.issue("late", -1)],
    ["(CN=stranger) is not one for clients by an authority that it trusts; it is signed by CN=other", other.issue("stranger")],
  ])("tells others what is missing: %s", async (reason, issued) => {
    await using t = await setUp(tls);
    using isthmus = new Isthmus({ url: t.url, token: TOKEN, ca: testTls.cert, certificate: issued?.cert, key: issued?.key });
    const refused = {
      code: "CLIENT_CERTIFICATE_REFUSED",
      message: expect.stringContaining(reason),
      remedy: expect.stringContaining("ISTHMUS_CERT_FILE and ISTHMUS_KEY_FILE"),
      cause: expect.any(Error),
    };
    await expect(isthmus.version()).rejects.toMatchObject(refused);
    const machine = isthmus.machines.handle("m");
    await expect(machine.putArchive("/data", Readable.from([Buffer.alloc(2_000_000)]))).rejects.toMatchObject(refused);
    await expect(machine.exec(["true"])).rejects.toMatchObject(refused);
  });

  it("is told from one that is lost before it answers", async () => {
    waits.refusalMs = 1_000;
    const server = createServer({ ...testTls, requestCert: true, rejectUnauthorized: false, minVersion: "TLSv1.3" }, (socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.destroy());
    });
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address ? address.port : 0);
      });
    });
    using isthmus = new Isthmus({ url: `https://127.0.0.1:${port}`, token: TOKEN, ca: testTls.cert, certificate, key });
    await expect(isthmus.version()).rejects.toMatchObject({ code: "DAEMON_UNREACHABLE", details: { reason: "the connection was lost" } });
    await new Promise((resolve) => server.close(resolve));
  });

  it.each([
    ["key", { certificate }, "a certificate is given"],
    ["certificate", { key }, "a key is given"],
    ["certificate", { certificate: "", key }, "a key is given"],
    ["certificate", { certificate: "x", key }, "not readable as PEM"],
    ["key", { certificate, key: "x" }, "not readable as PEM"],
    ["key", { certificate, key: "-----BEGIN ENCRYPTED PRIVATE KEY-----" }, "without a passphrase"],
    ["key", { certificate, key: testTls.key }, "not the key of the certificate"],
  ])("is not asked with a bad %s", (field, pair, reason) => {
    expect(() => new Isthmus({ url: "https://127.0.0.1:1", token: TOKEN, ...pair })).toThrow(
      expect.objectContaining({
        code: "CONFIG_INVALID",
        details: expect.objectContaining({ field, reason: expect.stringContaining(reason) }),
      }),
    );
  });

  it("is on TCP: a socket asks for none", () => {
    expect(() => new Isthmus({ socketPath: "/nowhere", certificate, key })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });
});
