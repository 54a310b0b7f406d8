import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { dockerAuth } from "@isthmus/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { file, ociArchive, ociImage, tar } from "../../packages/host/images/src/fixtures.ts";
import { account, type DebianRegistry, debianRegistry } from "../../packages/host/images/src/registry/debian-registry.fixture.ts";
import { soak } from "../seeded.ts";
import { World } from "../world.ts";

const run = promisify(execFile);
const HELPER = "docker-credential-pass";
const KEY = "isthmus tests";

let base: string;
let registry: DebianRegistry;
let ref: string;
let world: World;
/** where pass and GnuPG keep what is theirs */
let keeping: { readonly GNUPGHOME: string; readonly PASSWORD_STORE_DIR: string };
const before = { GNUPGHOME: process.env.GNUPGHOME, PASSWORD_STORE_DIR: process.env.PASSWORD_STORE_DIR };

function useEnvironment(variables: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

async function withInput(input: string, program: string, ...args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ["pipe", "inherit", "inherit"] });
  child.stdin.end(input);
  expect([program, ...(await once(child, "close"))]).toEqual([program, 0, null]);
}

const store = async (ServerURL: string, Username: string, Secret: string): Promise<void> =>
  await withInput(JSON.stringify({ ServerURL, Username, Secret }), HELPER, "store");

function settings(name: string, config: unknown): string {
  const folder = join(base, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  return folder;
}

describe.runIf(soak)("docker's credential helper that keeps accounts with pass", () => {
  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), "isthmus-pass-"));
    keeping = { GNUPGHOME: join(base, "gpg"), PASSWORD_STORE_DIR: join(base, "store") };
    mkdirSync(keeping.GNUPGHOME, { mode: 0o700 });
    useEnvironment(keeping);
    await run("gpg", ["--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--quick-generate-key", KEY, "future-default"]);
    await run("pass", ["init", KEY]);
    registry = await debianRegistry(base, { auth: true });
    ref = `${registry.host}/team/app:v1`;
    const image = ociImage({ layers: [{ blob: tar(file("hello")) }] });
    writeFileSync(join(base, "image.tar"), ociArchive([image.descriptor], image.blobs));
    const creds = ["--dest-creds", `${account.username}:${account.password}`, "--dest-tls-verify=false"];
    await run("skopeo", ["copy", ...creds, `oci-archive:${join(base, "image.tar")}`, `docker://${ref}`]);
    world = await World.start();
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    // The agent that gpg began is of this folder alone.
    await run("gpgconf", ["--kill", "all"]);
    useEnvironment(before);
    rmSync(base, { recursive: true, force: true });
  });

  it("gives pull and push the account of a login, and none after the logout", async () => {
    const folder = settings("login", { credHelpers: { [registry.host]: "pass" } });
    const env = { ...keeping, DOCKER_CONFIG: folder };
    const stranger = await world.cli(["pull", ref], { env });
    expect([stranger.code, stranger.stderr]).toEqual([1, expect.stringContaining("refuses")]);
    expect(stranger.stderr).not.toContain("note:");
    const file = ["--authfile", join(folder, "config.json")];
    await withInput(
      account.password,
      "skopeo",
      "login",
      ...file,
      "--tls-verify=false",
      "-u",
      account.username,
      "--password-stdin",
      registry.host,
    );
    expect(await dockerAuth(ref, { folder })).toEqual(account);
    expect(await world.cli(["pull", "-q", ref], { env })).toMatchObject({ code: 0, text: ref, stderr: "" });
    const copy = `${registry.host}/other/app:v1`;
    await world.ok(["tag", ref, copy]);
    const pushed = await world.cli(["push", copy], { env });
    expect([pushed.code, pushed.stderr]).toEqual([0, expect.stringMatching(/^([0-9a-f]{12}: mounted: from team\/app\n){2}$/)]);
    await run("skopeo", ["logout", ...file, registry.host]);
    expect((await world.cli(["pull", ref], { env })).stderr).toContain("refuses");
  });

  it("finds accounts by all names that they are kept under", async () => {
    const folder = settings("all", { credsStore: "pass" });
    await store("docker.io", "podman", "pw");
    expect(await dockerAuth("busybox", { folder })).toEqual({ username: "podman", password: "pw" });
    await store("https://index.docker.io/v1/", "hub", 'p:"\\ü $x');
    expect(await dockerAuth("busybox", { folder })).toEqual({ username: "hub", password: 'p:"\\ü $x' });
    await store("https://url.example", "url", "pw");
    expect(await dockerAuth("url.example/team/app@sha256:abc", { folder })).toEqual({ username: "url", password: "pw" });
    await store("token.example:5000", "<token>", "ident");
    expect(await dockerAuth("token.example:5000/app", { folder })).toEqual({ identityToken: "ident" });
    expect(await dockerAuth("token.example/app", { folder })).toBeUndefined();
  });

  it("tells why it cannot open what it keeps, and the command goes on without", async () => {
    const folder = settings("locked", { credsStore: "pass" });
    await store(registry.host, account.username, "hidden-word");
    const stranger = join(base, "stranger");
    mkdirSync(stranger, { mode: 0o700 });
    const env = { ...keeping, GNUPGHOME: stranger, DOCKER_CONFIG: folder };
    const { code, stderr } = await world.cli(["pull", ref], { env });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/note: no account from docker's settings: .*docker-credential-pass: it ended with code 1: .*gpg: /),
    ]);
    expect(stderr).not.toContain("hidden-word");
    await run("gpgconf", ["--kill", "all"], { env: { ...process.env, GNUPGHOME: stranger } });
  });
});
