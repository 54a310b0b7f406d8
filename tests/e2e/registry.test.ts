import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { file, ociImage, tar } from "../../packages/host/images/src/fixtures.ts";
import { account, type DebianRegistry, debianRegistry } from "../../packages/host/images/src/registry/debian-registry.fixture.ts";
import { fakeRegistry } from "../../packages/host/images/src/registry/fake-registry.fixture.ts";
import { eventually, World } from "../world.ts";

const run = promisify(execFile);
const ISTHMUS = resolve(import.meta.dirname, "../../isthmus");

/** An image of busybox whose config says what docker users say. */
async function makeImage(base: string): Promise<string> {
  const layout = join(base, "layout");
  const bundle = join(base, "bundle");
  const umoci = (...args: readonly string[]) => run("umoci", args);
  await umoci("init", "--layout", layout);
  await umoci("new", "--image", `${layout}:app`);
  await umoci("unpack", "--image", `${layout}:app`, bundle);
  const root = join(bundle, "rootfs");
  for (const folder of ["bin", "etc", "srv"]) mkdirSync(join(root, folder));
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  chmodSync(join(root, "bin/busybox"), 0o755);
  for (const name of ["sh", "id", "pwd"]) symlinkSync("busybox", join(root, "bin", name));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0::/:/bin/sh\nweb:x:1001:1002::/srv:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nweb:x:1002:\n");
  await umoci("repack", "--image", `${layout}:app`, bundle);
  const config = {
    user: "web",
    workingdir: "/srv",
    entrypoint: "/bin/sh",
    env: "GREETING=hello",
    stopsignal: "SIGQUIT",
    label: "team=web",
    exposedports: "8080/tcp",
  };
  const flags = Object.entries(config).flatMap(([key, value]) => [`--config.${key}`, value]);
  await umoci("config", "--image", `${layout}:app`, ...flags, "--config.cmd", "-c", "--config.cmd", 'id -u; id -g; pwd; echo "$GREETING"');
  return layout;
}

describe("an image in a registry with accounts", () => {
  let base: string;
  let world: World;
  let registry: DebianRegistry;
  let ref: string;
  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), "isthmus-registry-"));
    registry = await debianRegistry(base, { auth: true });
    ref = `${registry.host}/team/app:v1`;
    const creds = ["--dest-creds", `${account.username}:${account.password}`, "--dest-tls-verify=false"];
    await run("skopeo", ["copy", ...creds, `oci:${await makeImage(base)}:app`, `docker://${ref}`]);
    const auth = Buffer.from(`${account.username}:${account.password}`).toString("base64");
    writeFileSync(join(base, "config.json"), JSON.stringify({ auths: { [registry.host]: { auth } } }));
    world = await World.start();
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    rmSync(base, { recursive: true, force: true });
  });

  it("is pulled by run with docker's account, and is run as its config says", async () => {
    const anonymous = await world.cli(["run", "--rm", ref], { env: { DOCKER_CONFIG: join(base, "none") } });
    expect([anonymous.code, anonymous.stderr]).toEqual([125, expect.stringContaining("refuses")]);
    const env = { DOCKER_CONFIG: base };
    const first = await world.cli(["run", "--name", "app", ref], { env });
    expect([first.code, first.text]).toEqual([0, "1001\n1002\n/srv\nhello"]);
    const [machine] = JSON.parse(await world.ok(["inspect", "app"]));
    expect(machine.spec).toMatchObject({ stopSignal: "SIGQUIT", labels: { team: "web" } });
    expect(await world.ok(["ps", "-aq", "--filter", "label=team=web", "--no-trunc"])).toBe(machine.id);
    expect(await world.ok(["run", "--rm", "--pull", "never", ref])).toBe("1001\n1002\n/srv\nhello");
    await world.ok(["rm", "app"]);
    const log = readFileSync(join(world.home, "daemon.log"), "utf8");
    expect(log).not.toContain(account.password);
    expect(log).not.toContain(Buffer.from(`${account.username}:${account.password}`).toString("base64"));
  });

  it("serves the port that it exposes on a free one, which ps and inspect tell", async () => {
    const serve = ["--name", "served", ref, "-c", "exec /bin/busybox httpd -f -p 8080 -h /etc"];
    expect(await world.cli(["run", "-d", "-P", ...serve], { env: { DOCKER_CONFIG: base } })).toMatchObject({ code: 0 });
    const [{ ports }] = JSON.parse(await world.ok(["inspect", "served"]));
    expect(ports).toEqual([{ guest: 8080, host: expect.any(Number), address: "127.0.0.1", protocol: "tcp" }]);
    expect(ports[0].host).toBeGreaterThan(0);
    expect(await world.ok(["ps"])).toContain(`127.0.0.1:${ports[0].host}->8080/tcp`);
    const page = await eventually("the page", () => pageOf(`http://127.0.0.1:${ports[0].host}/passwd`));
    expect(page).toContain("web:x:1001:1002::/srv:/bin/sh");
    await world.ok(["rm", "-f", "served"]);
  });

  it("is no longer waited for after Ctrl-C, and nothing of it stays", async () => {
    await using slow = await fakeRegistry();
    slow.add(ociImage({ layers: [{ blob: tar(file("large", randomBytes(500_000))) }] }), "v1");
    slow.behave = ({ path }, response) => {
      if (!path.includes("/blobs/") || slow.seen.filter((one) => one.path.includes("/blobs/")).length < 2) return false;
      response.writeHead(200).write("a");
      return true;
    };
    // Nothing of the store is still being made, such as the built-in image.
    await world.isthmus.images.list();
    const stored = () => readdirSync(join(world.home, "images"), { recursive: true }).sort();
    const before = stored();
    const pull = spawn(ISTHMUS, ["pull", `${slow.host}/app:v1`], { env: { ...process.env, ...world.env }, stdio: "ignore" });
    const ended = once(pull, "close");
    await eventually(
      "the layer is asked for",
      async () => slow.seen.filter(({ path }) => path.includes("/blobs/")).length >= 2 || undefined,
    );
    pull.kill("SIGINT");
    await ended;
    await expect.poll(stored, { timeout: 60_000 }).toEqual(before);
    expect((await world.isthmus.images.list()).some(({ tags }) => tags.includes(`${slow.host}/app:v1`))).toBe(false);
  });
});

/** Until the workload listens, connections end without an answer. */
async function pageOf(url: string): Promise<string | undefined> {
  return await fetch(url).then(
    (answer) => answer.text(),
    () => undefined,
  );
}
