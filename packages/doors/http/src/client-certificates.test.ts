import https from "node:https";
import { type ConnectionOptions, connect } from "node:tls";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHttpDoor, type HttpDoor } from "./door.ts";
import { fakeDeps, TestAuthority, testTls } from "./testing/fakes.ts";

const TOKEN = "a-token-of-some-length";
/** Requests while authorities are changed. */
const REQUESTS = 400;
const AT_ONCE = 10;

const authority = new TestAuthority("authority");
const other = new TestAuthority("other");
const right = authority.issue("right");
const wrong = other.issue("wrong");
const keys = { ...testTls, clientCa: authority.cert };
const both = { ...testTls, clientCa: authority.cert + other.cert };
let door: HttpDoor;
let port: number;

/** What comes of one request: a status, or the code of what kept it from one. */
function ask(options: https.RequestOptions, token = TOKEN): Promise<number | string> {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${token}` };
    const target = { host: "127.0.0.1", port, path: "/v1/health", ca: testTls.cert, headers, agent: false } as const;
    const request = https.get({ ...target, ...options }, (answer) => {
      answer.resume();
      answer.once("end", () => resolve(answer.statusCode ?? 0));
    });
    request.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

/** What a client hears that asks nothing, until it is cut. */
function hears(pair: ConnectionOptions): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, ca: testTls.cert, ...pair });
  return new Promise((resolve) => {
    let code = "cut";
    let bytes = 0;
    socket.on("data", (piece) => (bytes += piece.length));
    socket.once("error", (error: NodeJS.ErrnoException) => (code = error.code ?? error.message));
    socket.once("close", () => resolve(`${bytes} bytes, ${code}`));
  });
}

beforeAll(async () => {
  door = await createHttpDoor(fakeDeps());
  port = (await door.listen({ tcp: { host: "127.0.0.1", port: 0, tls: keys, token: TOKEN } })).tcpPort ?? 0;
});
beforeEach(() => door.renew(keys));
afterAll(async () => {
  await door.close();
  authority[Symbol.dispose]();
  other[Symbol.dispose]();
});

describe("a client certificate", () => {
  it("is asked for in the handshake: none, another authority's and an expired one get no answer", async () => {
    expect(await ask(right)).toBe(200);
    const refused = /^(ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED|ECONNRESET|EPIPE)$/;
    const expired = authority.issue("expired", -1);
    for (const [name, pair] of Object.entries({ none: {}, wrong, expired })) expect(await ask(pair), name).toMatch(refused);
    expect(await hears({})).toBe("0 bytes, ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED");
    expect(await hears(wrong)).toBe("0 bytes, cut");
    expect(await hears(expired)).toBe("0 bytes, cut");
    expect(await ask(right)).toBe(200);
  });

  it("is no token, and a token is no certificate", async () => {
    expect(await ask(right, "another-token-of-some-length")).toBe(401);
    expect(await ask({}, TOKEN)).not.toBe(200);
  });

  it("of an authority that is taken out lets nobody in anew; open connections go on", async () => {
    door.renew(both);
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    const open = { ...wrong, agent };
    expect(await ask(open)).toBe(200);
    door.renew(keys);
    expect(await ask(open)).toBe(200);
    expect(await ask(wrong)).not.toBe(200);
    expect(await ask(right)).toBe(200);
    agent.destroy();
  });

  it("is looked at on each connection: no session is resumed", async () => {
    const first = connect({ host: "127.0.0.1", port, ca: testTls.cert, ...right });
    const session = await new Promise<Buffer>((resolve) => first.once("session", resolve));
    first.destroy();
    const second = connect({ host: "127.0.0.1", port, ca: testTls.cert, ...right, session });
    await new Promise((resolve) => second.once("secureConnect", resolve));
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
  });

  it(`stays right under load while authorities come and go: 0 failed of ${REQUESTS} requests`, async () => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: AT_ONCE, ...right });
    const results = new Map<number | string, number>();
    const strangers = new Set<number | string>();
    let sent = 0;
    const worker = async () => {
      while (sent < REQUESTS) {
        sent += 1;
        if (sent % 20 === 0) door.renew((sent / 20) % 2 === 0 ? keys : both);
        // One in five on a connection of its own, which meets the authorities of the moment.
        const result = await ask(sent % 5 === 0 ? right : { agent });
        results.set(result, (results.get(result) ?? 0) + 1);
        if (sent % 20 === 0) strangers.add(await ask({}));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    agent.destroy();
    expect(Object.fromEntries(results)).toEqual({ 200: REQUESTS });
    expect(strangers.has(200)).toBe(false);
    door.renew({ ...testTls, clientCa: other.cert });
    expect(await ask(wrong)).toBe(200);
    expect(await ask(right)).not.toBe(200);
  });

  it.each([
    ["nothing", "", "no certificate in PEM form"],
    ["something else", "garbage", "no certificate in PEM form"],
    ["a key", authority.cert + right.key, "no whole certificate"],
    ["one that is cut short", authority.cert + other.cert.slice(0, -40), "no whole certificate"],
    ["one that is damaged", authority.cert.replace(/\n.{8}/, "\nAAAAAAAA"), "certificate 1 in it is not readable"],
    ["a client's own", authority.cert + right.cert, "certificate 2 in it (CN=right) is not an authority's"],
  ])("is not checked against %s: what is in force stays", async (_name, clientCa, reason) => {
    expect(() => door.renew({ ...testTls, clientCa })).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining(reason) }),
    );
    expect(await ask(right)).toBe(200);
    expect(await ask(wrong)).not.toBe(200);
  });

  it("cannot cease to be asked for on an open listener, nor begin to be", async () => {
    expect(() => door.renew(testTls)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(await ask({})).not.toBe(200);
    const plain = await createHttpDoor(fakeDeps());
    await plain.listen({ tcp: { host: "127.0.0.1", port: 0, tls: testTls, token: TOKEN } });
    expect(() => plain.renew(keys)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    await plain.close();
  });

  it("is checked against what does, or the door does not open", async () => {
    const shut = await createHttpDoor(fakeDeps());
    await expect(
      shut.listen({ tcp: { host: "127.0.0.1", port: 0, tls: { ...testTls, clientCa: "garbage" }, token: TOKEN } }),
    ).rejects.toMatchObject({ code: "CONFIG_INVALID", details: { field: "tcp.tls.clientCa" } });
    await shut.close();
  });
});
