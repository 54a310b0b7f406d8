import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { MIB, type Progress } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { file, isInstalled, ociArchive, ociImage, sha256, streamOf, tar, testStore } from "../fixtures.ts";
import { account, debianRegistry } from "./debian-registry.fixture.ts";

const run = promisify(execFile);
const equipped = (await isInstalled("skopeo")) && (await isInstalled("docker-registry"));
const shared = tar(file("shared", randomBytes(MIB)));
const own = tar(file("own"));
const one = ociImage({ layers: [{ blob: shared }, { blob: gzipSync(own), plain: own }] });
const two = ociImage({ layers: [{ blob: shared }] });

describe.skipIf(!equipped)("images that are sent to Debian's docker-registry", () => {
  it("have the digest and content that skopeo sees, need the account, and share their layers", async () => {
    const base = await mkdtemp(join(tmpdir(), "isthmus-push-"));
    await using test = await testStore();
    await using registry = await debianRegistry(base, { auth: true });
    for (const [image, ref] of [[one, `${registry.host}/team/app:v1`] as const, [two, `${registry.host}/team/app:v2`] as const])
      await test.store.loadArchive(streamOf(ociArchive([image.descriptor], image.blobs)), { ref });
    const ref = `${registry.host}/team/app:v1`;
    await expect(test.store.push(ref)).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(await test.store.push(ref, { auth: account })).toEqual({ digest: one.descriptor.digest });
    const creds = ["--creds", `${account.username}:${account.password}`, "--tls-verify=false"];
    const { stdout } = await run("skopeo", ["inspect", ...creds, "--format", "{{.Digest}}", `docker://${ref}`]);
    expect(stdout.trim()).toBe(one.descriptor.digest);
    const copy = join(base, "copy");
    await run("skopeo", [
      "copy",
      "--src-creds",
      `${account.username}:${account.password}`,
      "--src-tls-verify=false",
      `docker://${ref}`,
      `dir:${copy}`,
    ]);
    const { stdout: sums } = await run("sha256sum", [join(copy, sha256(shared).slice(7))]);
    expect(sums.split(" ")[0]).toBe(sha256(shared).slice(7));
    const told: Progress[] = [];
    await test.store.push(`${registry.host}/team/app:v2`, { auth: account, onProgress: (progress) => told.push(progress) });
    expect(told.filter(({ item }) => item === sha256(shared).slice(7, 19)).map(({ step }) => step)).toEqual(["present"]);
    const back = await test.store.pull(ref, { auth: account });
    expect(back.repoDigests).toEqual([`${registry.host}/team/app@${one.descriptor.digest}`]);
    await rm(base, { recursive: true, force: true });
  });

  it("are named by a tag and are there", async () => {
    await using test = await testStore();
    await expect(test.store.push("127.0.0.1:1/app:v1")).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    await test.store.loadArchive(streamOf(ociArchive([two.descriptor], two.blobs)), { ref: "127.0.0.1:1/app:v1" });
    await expect(test.store.push(`127.0.0.1:1/app@${two.descriptor.digest}`)).rejects.toMatchObject({ code: "INVALID_IMAGE_REF" });
    await expect(test.store.push("127.0.0.1:1/app:v1")).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    const stop = AbortSignal.abort();
    await expect(test.store.push("127.0.0.1:1/app:v1", { signal: stop })).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
