import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { MIB, type Progress } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { file, isInstalled, type OciImage, ociArchive, ociImage, sha256, streamOf, type TestStore, tar, testStore } from "../fixtures.ts";
import { RegistryAccess } from "./access.ts";
import { Authorization } from "./authorization.ts";
import { noSettings } from "./config.ts";
import { type CountingRelay, countingRelay } from "./counting-relay.fixture.ts";
import { account, debianRegistry } from "./debian-registry.fixture.ts";
import { fakeRegistry } from "./fake-registry.fixture.ts";
import { tokenServer } from "./token-server.fixture.ts";

const equipped = await isInstalled("docker-registry");
const shared = tar(file("shared", randomBytes(MIB)));
const own = tar(file("own"));
const base = ociImage({ layers: [{ blob: shared }] });
const app = ociImage({ layers: [{ blob: shared }, { blob: gzipSync(own), plain: own }] });

let folder: string;
let test: TestStore;

async function load(image: OciImage, ref: string): Promise<void> {
  await test.store.loadArchive(streamOf(ociArchive([image.descriptor], image.blobs)), { ref });
}

/** Steps that a push ended each blob with. */
async function push(ref: string): Promise<ReadonlyMap<string, string>> {
  const ended = new Map<string, string>();
  const onProgress = ({ step, item = "", message }: Progress): void => {
    ended.set(item, message === undefined ? step : `${step} ${message}`);
  };
  await test.store.push(ref, { auth: account, onProgress });
  return ended;
}

const stepOf = (steps: ReadonlyMap<string, string>, blob: Buffer): string | undefined => steps.get(sha256(blob).slice(7, 19));
/** Bytes of blobs that were sent since the last call, and the mounts that were tried. */
function drain({ seen }: CountingRelay) {
  const all = seen.splice(0).filter(({ url }) => url.pathname.includes("/blobs/"));
  const mounts = all.filter(({ url }) => url.searchParams.has("mount"));
  return {
    sentBytes: all.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
    sessions: all.filter(({ method, status }) => method === "POST" && status === 202).length,
    mounts: mounts.map(({ url, status }) => `${url.searchParams.get("from")} ${status}`),
  };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "isthmus-mount-"));
  test = await testStore({ registryLimits: { backOffMs: 1 } });
});
afterEach(async () => {
  await test[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

describe.skipIf(!equipped)("layers that another repository of the registry has", () => {
  it("are mounted from where the image is, and from where images are that share them", async () => {
    await using registry = await debianRegistry(folder, { auth: true });
    await using relay = await countingRelay(registry.host);
    await load(base, `${relay.host}/team/base:v1`);
    await push(`${relay.host}/team/base:v1`);
    expect(drain(relay)).toMatchObject({ mounts: [], sessions: 2 });
    await test.store.tag(`${relay.host}/team/base:v1`, `${relay.host}/other/copy:v1`);
    expect([...(await push(`${relay.host}/other/copy:v1`)).values()]).toEqual(["mounted from team/base", "mounted from team/base"]);
    expect(drain(relay)).toEqual({ sentBytes: 0, sessions: 0, mounts: ["team/base 201", "team/base 201"] });
    await load(app, `${relay.host}/other/app:v1`);
    const steps = await push(`${relay.host}/other/app:v1`);
    expect([stepOf(steps, shared), stepOf(steps, gzipSync(own))]).toEqual(["mounted from other/copy", "pushed"]);
    const sent = drain(relay);
    expect(sent).toMatchObject({ mounts: ["other/copy 201"], sessions: 2 });
    expect(sent.sentBytes).toBe(gzipSync(own).length + app.manifest.config.size);
    await using second = await testStore();
    const back = await second.store.pull(`${registry.host}/other/app:v1`, { auth: account });
    expect(back.digest).toBe(app.descriptor.digest);
  });

  it("are sent in the session that a mount without success begins", async () => {
    await using registry = await debianRegistry(folder, { auth: true });
    await using relay = await countingRelay(registry.host);
    await load(base, `${relay.host}/never/sent:v1`);
    await test.store.tag(`${relay.host}/never/sent:v1`, `${relay.host}/app:v1`);
    await test.store.tag(`${relay.host}/never/sent:v1`, "elsewhere.example/app:v1");
    expect([...(await push(`${relay.host}/app:v1`)).values()]).toEqual(["pushed", "pushed"]);
    const sent = drain(relay);
    expect(sent).toMatchObject({ sessions: 2, mounts: ["never/sent 202", "never/sent 202"] });
    expect(sent.sentBytes).toBe(shared.length + base.manifest.config.size);
  });

  it("are mounted with a token that may read there, and sent where it may not", async () => {
    await using tokens = await tokenServer(folder);
    await using registry = await debianRegistry(folder, { tokens });
    await using relay = await countingRelay(registry.host);
    await load(base, `${relay.host}/team/base:v1`);
    await push(`${relay.host}/team/base:v1`);
    drain(relay);
    tokens.asked.length = 0;
    const targets = ["mounted", "partly", "strict"].map((name) => `${relay.host}/${name}/app:v1`);
    for (const target of targets) await test.store.tag(`${relay.host}/team/base:v1`, target);
    const [mounted = "", partly = "", strict = ""] = targets;
    expect([...(await push(mounted)).values()]).toEqual(["mounted from team/base", "mounted from team/base"]);
    expect(drain(relay).sentBytes).toBe(0);
    expect(tokens.asked[0]).toEqual(["repository:mounted/app:pull", "repository:team/base:pull"]);
    // The registry writes actions in any order.
    const both = [expect.stringMatching(/^repository:mounted\/app:(pull,push|push,pull)$/), "repository:team/base:pull"];
    expect(tokens.asked.at(-1)?.toSorted()).toEqual(both);
    for (const target of [partly, strict]) {
      const repository = target.slice(relay.host.length + 1, -":v1".length);
      tokens.grants = (scope) => scope.startsWith(`repository:${repository}:`);
      tokens.strict = target === strict;
      expect([...(await push(target)).values()]).toEqual(["pushed", "pushed"]);
      expect(drain(relay).sentBytes).toBe(shared.length + base.manifest.config.size);
    }
  });
});

describe("requests side by side that need tokens of several kinds", () => {
  it("do not fail by the token that another is refused", async () => {
    await using tokens = await tokenServer(folder);
    tokens.strict = true;
    tokens.grants = (scope) => scope.startsWith("repository:app:");
    const { limits, http } = new RegistryAccess(noSettings);
    const scope = "repository:app:pull";
    const authorization = new Authorization({ http, limits, registry: "r", auth: account, secure: false, scope, alsoScopes: [] });
    const renew = async (scope: string): Promise<boolean> => {
      const challenge = `Bearer realm="${tokens.realm}",service="tests",scope="${scope}"`;
      return await authorization.renew({ headers: { "www-authenticate": challenge } }, undefined, undefined);
    };
    const mount = renew("repository:app:pull,push repository:other:pull");
    const [mounting, sending] = await Promise.allSettled([mount, renew("repository:app:pull,push")]);
    expect(mounting).toMatchObject({ status: "rejected", reason: { code: "REGISTRY_DENIED" } });
    expect(sending).toEqual({ status: "fulfilled", value: true });
    expect(tokens.asked).toHaveLength(2);
    http.close();
  });
});

describe("a registry that knows nothing of mounting", () => {
  it.each([404, 500])("and answers it with %i is sent the layers", async (status) => {
    await using registry = await fakeRegistry();
    const stored: string[] = [];
    registry.behave = async ({ method, path }, response, request) => {
      if (method === "HEAD" || method === "GET") return false;
      for await (const _ of request);
      if (path.includes("mount=")) response.writeHead(status).end();
      else if (method === "POST") response.writeHead(202, { location: "/v2/app/blobs/uploads/session" }).end();
      else {
        stored.push(path);
        response.writeHead(201).end();
      }
      return true;
    };
    await load(base, `${registry.host}/base:v1`);
    await test.store.tag(`${registry.host}/base:v1`, `${registry.host}/app:v1`);
    expect([...(await push(`${registry.host}/app:v1`)).values()]).toEqual(["pushed", "pushed"]);
    expect(stored).toHaveLength(3);
    expect(registry.seen.filter(({ path }) => path.includes("mount=")).length).toBeGreaterThan(0);
  });
});
