import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHttpDoor, type HttpDoor } from "./door.ts";
import { fakeDeps, testTls } from "./testing/fakes.ts";
import type { TlsKeys } from "./tls-keys.ts";

const TOKEN = "a-token-of-some-length";
/** Requests while certificates are changed. */
const REQUESTS = 10_000;
const AT_ONCE = 20;

const folder = mkdtempSync(path.join(tmpdir(), "isthmus-tls-"));
let door: HttpDoor;
let port: number;

/** A certificate for `alt` that signs itself, valid from now on for so many days. */
function certificate(name: string, { alt = "IP:127.0.0.1", days = 1 } = {}): TlsKeys {
  const file = (kind: string) => path.join(folder, `${name}.${kind}`);
  const openssl = (...args: readonly string[]) => execFileSync("openssl", args, { stdio: "ignore" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file("key")];
  openssl("req", ...key, "-subj", `/CN=${name}`, "-addext", `subjectAltName=${alt}`, "-out", file("csr"));
  const signed = ["-in", file("csr"), "-signkey", file("key"), "-copy_extensions", "copy", "-out", file("pem")];
  openssl("x509", "-req", ...signed, "-days", String(days));
  return { key: readFileSync(file("key"), "utf8"), cert: readFileSync(file("pem"), "utf8") };
}

/** What comes of one request: a status, or the code of what kept it from one. */
function ask(options: https.RequestOptions): Promise<number | string> {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const request = https.get({ host: "127.0.0.1", port, path: "/v1/health", headers, agent: false, ...options }, (answer) => {
      answer.resume();
      answer.once("end", () => resolve(answer.statusCode ?? 0));
    });
    request.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

beforeAll(async () => {
  door = await createHttpDoor(fakeDeps());
  port = (await door.listen({ tcp: { host: "127.0.0.1", port: 0, tls: testTls, token: TOKEN } })).tcpPort ?? 0;
});
afterAll(async () => {
  await door.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("TLS", () => {
  it("is spoken in version 1.3 only, and nothing else is on its port", async () => {
    expect(await ask({ ca: testTls.cert })).toBe(200);
    for (const maxVersion of ["TLSv1.2", "TLSv1.1", "TLSv1"] as const)
      expect(await ask({ ca: testTls.cert, maxVersion, minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" }), maxVersion).toMatch(
        /PROTO|ALERT/,
      );
    const plain = new Promise((resolve) => {
      http
        .get({ host: "127.0.0.1", port, path: "/v1/health", agent: false }, (answer) => resolve(answer.statusCode))
        .once("error", () => resolve("cut"));
    });
    expect(await plain).toBe("cut");
  });

  it("is not trusted with another authority's certificate, an expired one, or one for another host", async () => {
    const stranger = certificate("stranger");
    expect(await ask({ ca: stranger.cert })).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
    expect(await ask({})).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
    const elsewhere = certificate("elsewhere", { alt: "IP:192.0.2.1" });
    door.renew(elsewhere);
    expect(await ask({ ca: elsewhere.cert })).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
    const past = certificate("past", { days: -1 });
    door.renew(past);
    expect(await ask({ ca: past.cert })).toBe("CERT_HAS_EXPIRED");
    door.renew(testTls);
    expect(await ask({ ca: testTls.cert })).toBe(200);
  });

  it(`changes its certificate under load with 0 failed of ${REQUESTS} requests`, { timeout: 120_000 }, async () => {
    const renewed = [testTls, certificate("first"), certificate("second")];
    const ca = renewed.map(({ cert }) => String(cert));
    const agent = new https.Agent({ keepAlive: true, maxSockets: AT_ONCE, ca });
    const results = new Map<number | string, number>();
    const served = new Set<string>();
    let sent = 0;
    const worker = async () => {
      while (sent < REQUESTS) {
        sent += 1;
        if (sent % 1_000 === 0) door.renew(renewed[(sent / 1_000) % renewed.length] ?? testTls);
        // One in twenty on a connection of its own, which meets the certificate of the moment.
        const result = await ask(
          sent % 20 === 0
            ? { ca, agent: false, checkServerIdentity: (_host, { subject }) => void served.add(String(subject.CN)) }
            : { agent },
        );
        results.set(result, (results.get(result) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    agent.destroy();
    door.renew(testTls);
    expect(Object.fromEntries(results)).toEqual({ 200: expect.any(Number) });
    expect([...served].sort()).toEqual(["first", "localhost", "second"]);
  });

  it("keeps what is in force when the new does not do", async () => {
    expect(() => door.renew({ cert: "x", key: "y" })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(() => door.renew({ cert: certificate("one").cert, key: certificate("other").key })).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID" }),
    );
    expect(await ask({ ca: testTls.cert })).toBe(200);
  });
});
