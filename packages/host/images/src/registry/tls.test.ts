import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { file, isInstalled, ociArchive, ociImage, tar, testStore } from "../fixtures.ts";
import { account, type DebianRegistry, debianRegistry } from "./debian-registry.fixture.ts";

const run = promisify(execFile);
const equipped = (await isInstalled("skopeo")) && (await isInstalled("docker-registry"));
/** names that only the proxy knows: nobody else is asked for them */
const NAMES = { trusted: "registry.test", stranger: "stranger.test", misnamed: "misnamed.test" } as const;

let base: string;
const registries = new Map<string, DebianRegistry>();
let proxy: Server;
/** what the proxy was asked for, with whose account */
const asked: string[] = [];

async function openssl(...args: readonly string[]): Promise<void> {
  await run("openssl", args, { cwd: base });
}

const newKey = (name: string) =>
  ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${name}.key`, "-subj", `/CN=${name}`] as const;

async function authority(name: string): Promise<void> {
  await openssl("req", "-x509", ...newKey(name), "-out", `${name}.pem`, "-days", "1");
}

/** A registry whose certificate, for `host`, is by `authority`. */
async function registryOf(host: string, authority: string, options: { readonly auth?: boolean } = {}): Promise<DebianRegistry> {
  await openssl("req", ...newKey(host), "-addext", `subjectAltName=DNS:${host}`, "-out", `${host}.csr`);
  const by = ["-CA", `${authority}.pem`, "-CAkey", `${authority}.key`, "-CAcreateserial", "-copy_extensions", "copy"];
  await openssl("x509", "-req", "-in", `${host}.csr`, ...by, "-days", "1", "-out", `${host}.pem`);
  return await debianRegistry(base, { ...options, tls: { certificate: join(base, `${host}.pem`), key: join(base, `${host}.key`) } });
}

/** A proxy that asks for an account and connects to the registry that has the name. */
async function startProxy(): Promise<Server> {
  const server = createServer((_, answer) => answer.writeHead(400).end());
  server.on("connect", (request, socket) => {
    const [, secret = ""] = (request.headers["proxy-authorization"] ?? "").split(" ");
    asked.push(`${Buffer.from(secret, "base64").toString()} ${request.url}`);
    const registry = registries.get(request.url?.split(":")[0] ?? "");
    const port = Number(registry?.host.split(":")[1] ?? 1);
    const onward = connect(port, "127.0.0.1", () => socket.write("HTTP/1.1 200 Connection Established\r\n\r\n"));
    for (const end of [socket, onward]) end.on("error", () => [socket, onward].forEach((each) => void each.destroy()));
    socket.pipe(onward).pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** A store that knows registries by the proxy alone. */
async function proxiedStore() {
  const address = proxy.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const proxies = { HTTPS_PROXY: `http://worker:pass@127.0.0.1:${port}` };
  return await testStore({ registries: { insecure: [], mirrors: new Map(), proxies }, registryLimits: { tries: 1 } });
}

describe.skipIf(!equipped)("a registry with TLS, behind a proxy", () => {
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), "isthmus-registry-tls-"));
    for (const name of ["ours", "theirs"]) await authority(name);
    setDefaultCACertificates([...getCACertificates(), await readFile(join(base, "ours.pem"), "utf8")]);
    registries.set(NAMES.trusted, await registryOf(NAMES.trusted, "ours", { auth: true }));
    registries.set(NAMES.stranger, await registryOf(NAMES.stranger, "theirs"));
    registries.set(NAMES.misnamed, await registryOf("other.test", "ours"));
    proxy = await startProxy();
    const image = ociImage({ layers: [tar(file("hello"))].map((plain) => ({ blob: plain, plain })) });
    await writeFile(join(base, "image.tar"), ociArchive([image.descriptor], image.blobs));
    const { host } = registries.get(NAMES.trusted) ?? { host: "" };
    const to = ["--dest-tls-verify=false", "--dest-creds", `${account.username}:${account.password}`, `docker://${host}/app:v1`];
    await run("skopeo", ["copy", `oci-archive:${join(base, "image.tar")}`, ...to]);
  }, 60_000);
  afterAll(async () => {
    proxy.closeAllConnections();
    proxy.close();
    for (const registry of registries.values()) await registry[Symbol.asyncDispose]();
    await rm(base, { recursive: true, force: true });
  });

  it("is pulled from, by an authority that this host trusts, with the accounts of both", async () => {
    await using store = await proxiedStore();
    const image = await store.store.pull(`${NAMES.trusted}/app:v1`, { auth: account });
    expect(image.repoDigests).toEqual([expect.stringContaining(`${NAMES.trusted}/app@sha256:`)]);
    expect([...new Set(asked)]).toEqual([`worker:pass ${NAMES.trusted}:443`]);
  });

  it.each([
    ["another authority's certificate", NAMES.stranger],
    ["a certificate for another name", NAMES.misnamed],
  ])("is not, with %s, and says what is wrong", async (_, name) => {
    await using store = await proxiedStore();
    const failed = store.store.pull(`${name}/app:v1`, { auth: account });
    await expect(failed).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringMatching(/certificate|altname/i),
      remedy: expect.stringMatching(/certificate/i),
    });
  });
});
