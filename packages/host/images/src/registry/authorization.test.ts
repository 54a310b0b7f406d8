import { once } from "node:events";
import { createServer } from "node:http";
import { describe, expect, it } from "vitest";
import { file, ociImage, tar, testStore } from "../fixtures.ts";
import { retryAfter } from "./answers.ts";
import { parseChallenges } from "./challenge.ts";
import { endpointsOf } from "./endpoints.ts";
import { fakeRegistry } from "./fake-registry.fixture.ts";
import { parseRemote } from "./remote-reference.ts";

describe("a challenge", () => {
  it("is read with quotes, commas and several schemes", () => {
    const header = 'Bearer realm="https://auth.example/token",service="reg, one",scope="repository:a/b:pull,push", Basic realm=plain';
    expect(parseChallenges(header).map(({ scheme, params }) => [scheme, Object.fromEntries(params)])).toEqual([
      ["bearer", { realm: "https://auth.example/token", service: "reg, one", scope: "repository:a/b:pull,push" }],
      ["basic", { realm: "plain" }],
    ]);
    expect(parseChallenges('Bearer realm="a\\"b')).toHaveLength(1);
    expect(parseChallenges("")).toEqual([]);
    expect(parseChallenges('=,"')).toEqual([]);
  });
});

describe("Retry-After", () => {
  it("is seconds or a date", () => {
    expect(retryAfter("120")).toBe(120_000);
    expect(retryAfter("Wed, 21 Oct 2026 07:28:10 GMT", Date.parse("2026-10-21T07:28:00Z"))).toBe(10_000);
    expect(retryAfter("Wed, 21 Oct 2020 07:28:10 GMT")).toBe(0);
    expect(retryAfter("soon")).toBeUndefined();
    expect(retryAfter(undefined)).toBeUndefined();
  });
});

describe("a reference", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  it.each([
    ["busybox", ["docker.io", "library/busybox", "latest", undefined, "busybox"]],
    ["team/app:v1", ["docker.io", "team/app", "v1", undefined, "team/app"]],
    ["docker.io/team/app", ["docker.io", "team/app", "latest", undefined, "team/app"]],
    ["index.docker.io/busybox", ["docker.io", "library/busybox", "latest", undefined, "busybox"]],
    ["localhost/app", ["localhost", "app", "latest", undefined, "localhost/app"]],
    ["localhost:5000/a/b:c", ["localhost:5000", "a/b", "c", undefined, "localhost:5000/a/b"]],
    ["ghcr.io/a/b", ["ghcr.io", "a/b", "latest", undefined, "ghcr.io/a/b"]],
    [`app:v1@${digest}`, ["docker.io", "library/app", undefined, digest, "app"]],
  ])("%s is read as docker reads it", (ref, [registry, repository, tag, wanted, name]) => {
    expect(parseRemote(ref)).toEqual({ registry, repository, tag, digest: wanted, name });
  });

  it.each(["", "UPPER", "a b", "app@sha256:abc", digest, "../x", "app:", "a/../b"])("%j is refused", (ref) => {
    expect(() => parseRemote(ref)).toThrow(expect.objectContaining({ code: "INVALID_IMAGE_REF" }));
  });
});

describe("a registry's servers", () => {
  const settings = { insecure: ["plain.example:5000"], mirrors: new Map([["docker.io", ["https://mirror.example"]]]), proxies: {} };
  it("are its mirrors and itself, and lack TLS only where that was allowed", () => {
    expect(endpointsOf("docker.io", settings).map(({ host, secure, isMirror }) => [host, secure, isMirror])).toEqual([
      ["mirror.example", true, true],
      ["registry-1.docker.io", true, false],
    ]);
    const secure = (registry: string): boolean | undefined => endpointsOf(registry, settings)[0]?.secure;
    for (const registry of ["plain.example:5000", "localhost", "localhost:5000", "127.0.0.9:1"]) expect(secure(registry)).toBe(false);
    for (const registry of ["plain.example", "other.example:5000", "127.evil.example", "10.0.0.1:5000", "localhost.example"])
      expect(secure(registry)).toBe(true);
  });
});

describe("a registry with a token server", () => {
  const image = ociImage({ layers: [{ blob: tar(file("a")) }] });

  /** Gives a token to those who ask for the scope of app, with their account in it. */
  async function tokenServer() {
    const asked: { url: URL; authorization: string | undefined; body: string }[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const url = new URL(request.url ?? "/", "http://localhost");
        const body = Buffer.concat(chunks).toString();
        asked.push({ url, authorization: request.headers.authorization, body });
        response.end(JSON.stringify({ token: `token-${asked.length}` }));
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return { asked, realm: `http://127.0.0.1:${port}/token`, [Symbol.asyncDispose]: async () => void server.close() };
  }

  async function setUp(accepts: (token: string) => boolean) {
    const tokens = await tokenServer();
    const registry = await fakeRegistry();
    const test = await testStore({ registryLimits: { backOffMs: 1 } });
    registry.add(image, "v1");
    registry.behave = ({ path, authorization }, response) => {
      if (path === "/v2/" || accepts(authorization ?? "")) return false;
      const scope = "repository:app:pull";
      response.writeHead(401, { "www-authenticate": `Bearer realm="${tokens.realm}",service="tests",scope="${scope}"` }).end();
      return true;
    };
    return {
      tokens,
      registry,
      store: test.store,
      ref: `${registry.host}/app:v1`,
      [Symbol.asyncDispose]: () => close([registry, test, tokens]),
    };
  }

  async function close(all: readonly AsyncDisposable[]): Promise<void> {
    for (const one of all) await one[Symbol.asyncDispose]();
  }

  it("is asked with the account, once, and the account goes nowhere else", async () => {
    await using t = await setUp((header) => header === "Bearer token-1");
    await t.store.pull(t.ref, { auth: { username: "u", password: "p" } });
    expect(t.tokens.asked.map(({ url, authorization }) => [url.search, authorization])).toEqual([
      ["?service=tests&scope=repository%3Aapp%3Apull", `Basic ${Buffer.from("u:p").toString("base64")}`],
    ]);
    expect(t.registry.seen.some(({ authorization }) => authorization?.startsWith("Basic"))).toBe(false);
  });

  it("is asked anew when a token is used up, and given up when tokens do not help", async () => {
    await using t = await setUp((header) => header === "Bearer token-3");
    await expect(t.store.pull(t.ref)).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(t.tokens.asked).toHaveLength(1);
  });

  it("takes an identity token in the place of a password", async () => {
    await using t = await setUp((header) => header.startsWith("Bearer token-"));
    await t.store.pull(t.ref, { auth: { identityToken: "ident" } });
    expect(Object.fromEntries(new URLSearchParams(t.tokens.asked[0]?.body))).toMatchObject({
      grant_type: "refresh_token",
      refresh_token: "ident",
      service: "tests",
    });
  });

  it("is passed over for a token of the registry's own", async () => {
    await using t = await setUp((header) => header === "Bearer mine");
    await t.store.pull(t.ref, { auth: { registryToken: "mine" } });
    expect(t.tokens.asked).toEqual([]);
  });
});
