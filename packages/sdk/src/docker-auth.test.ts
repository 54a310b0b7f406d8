import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dockerAuth } from "./docker-auth.ts";

let folder: string;
const before = process.env.PATH;
const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function config(value: unknown): Promise<void> {
  await writeFile(path.join(folder, "config.json"), typeof value === "string" ? value : JSON.stringify(value));
}

/** A credential helper that knows one registry. */
async function helper(name: string, key: string, answer: unknown): Promise<void> {
  const file = path.join(folder, `docker-credential-${name}`);
  const known = JSON.stringify(answer);
  const script = `#!/bin/sh\nread key\nif [ "$1 $key" = 'get ${key}' ]; then echo '${known}'; else echo 'credentials not found in native keychain'; exit 1; fi\n`;
  await writeFile(file, script);
  await chmod(file, 0o755);
}

describe("docker's accounts", () => {
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "isthmus-docker-"));
    process.env.PATH = `${folder}:${before}`;
  });
  afterEach(async () => {
    process.env.PATH = before;
    await rm(folder, { recursive: true });
  });

  it("are none without a file, an entry or a name in it", async () => {
    expect(await dockerAuth("busybox", { folder })).toBeUndefined();
    await config({ auths: { "other.example": { auth: base64("u:p") }, "empty.example": {} } });
    expect(await dockerAuth("busybox", { folder })).toBeUndefined();
    expect(await dockerAuth("empty.example/app", { folder })).toBeUndefined();
    expect(await dockerAuth("other.example.evil/app", { folder })).toBeUndefined();
  });

  it("are found by the image's registry, in the forms that docker wrote", async () => {
    await config({
      auths: {
        "https://index.docker.io/v1/": { auth: base64("hub:a:b") },
        "localhost:5000": { username: "local", password: "pw" },
        "https://old.example/v1/": { auth: base64("old:pw") },
        "token.example": { auth: base64("u:"), identitytoken: "ident" },
      },
    });
    expect(await dockerAuth("busybox", { folder })).toEqual({ username: "hub", password: "a:b" });
    expect(await dockerAuth("docker.io/team/app:1", { folder })).toEqual({ username: "hub", password: "a:b" });
    expect(await dockerAuth("localhost:5000/app", { folder })).toEqual({ username: "local", password: "pw" });
    expect(await dockerAuth("old.example/app@sha256:abc", { folder })).toEqual({ username: "old", password: "pw" });
    expect(await dockerAuth("token.example/app", { folder })).toEqual({ identityToken: "ident" });
  });

  it("come from helpers, one for a registry or one for all, then from the file", async () => {
    await helper("one", "one.example", { Username: "<token>", Secret: "ident" });
    await helper("all", "https://index.docker.io/v1/", { ServerURL: "x", Username: "hub", Secret: "pw" });
    await config({ credHelpers: { "one.example": "one" }, credsStore: "all", auths: { "file.example": { auth: base64("f:p") } } });
    expect(await dockerAuth("one.example/app", { folder })).toEqual({ identityToken: "ident" });
    expect(await dockerAuth("busybox", { folder })).toEqual({ username: "hub", password: "pw" });
    expect(await dockerAuth("file.example/app", { folder })).toEqual({ username: "f", password: "p" });
  });

  it("are found under other names of docker.io, and an empty helper keeps a registry from the one for all", async () => {
    await helper("hub", "docker.io", { Username: "podman", Secret: "pw" });
    await config({ credHelpers: { "https://index.docker.io/v1/": "hub", "file.example": "" }, credsStore: "not-installed" });
    expect(await dockerAuth("busybox", { folder })).toEqual({ username: "podman", password: "pw" });
    expect(await dockerAuth("file.example/app", { folder })).toBeUndefined();
    await config({ credHelpers: { "index.docker.io": "hub" }, auths: { "docker.io": { auth: base64("file:pw") } } });
    expect(await dockerAuth("docker.io/team/app", { folder })).toEqual({ username: "podman", password: "pw" });
    await config({ auths: { "docker.io": { auth: base64("file:pw") } } });
    expect(await dockerAuth("busybox", { folder })).toEqual({ username: "file", password: "pw" });
  });

  it("tell what is wrong without telling a secret", async () => {
    await config('{"auths": secret');
    await expect(dockerAuth("busybox", { folder })).rejects.toMatchObject({
      code: "LOCAL_FILE",
      message: expect.not.stringContaining("secret"),
    });
    await writeFile(path.join(folder, "docker-credential-locked"), "#!/bin/sh\nprintf 'no \\033[2Jkey\\nmore\\n'; exit 3\n", {
      mode: 0o755,
    });
    await config({ credsStore: "locked" });
    await expect(dockerAuth("busybox", { folder })).rejects.toMatchObject({
      code: "LOCAL_FILE",
      message: expect.stringMatching(/docker-credential-locked: it ended with code 3: no \?\[2Jkey$/),
    });
    const broken = `#!/bin/sh\necho '${JSON.stringify({ Username: "u", Secret: "secret" })}'; exit 3\n`;
    await writeFile(path.join(folder, "docker-credential-broken"), broken, { mode: 0o755 });
    await config({ credsStore: "broken" });
    await expect(dockerAuth("busybox", { folder })).rejects.toMatchObject({ message: expect.not.stringContaining("secret") });
    await config({ credsStore: "../../bin/evil" });
    await expect(dockerAuth("busybox", { folder })).rejects.toMatchObject({ code: "LOCAL_FILE" });
    await config({ credsStore: "not-installed" });
    await expect(dockerAuth("busybox", { folder })).rejects.toMatchObject({
      code: "LOCAL_FILE",
      message: expect.stringContaining("ENOENT"),
    });
  });
});
