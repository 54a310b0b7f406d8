import { execFile } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DebianRegistry, debianRegistry } from "../../packages/host/images/src/registry/debian-registry.fixture.ts";
import { soak } from "../seeded.ts";
import { eventually, World } from "../world.ts";

const run = promisify(execFile);
const PACKAGES = "nginx-light,postgresql";
const START_DEADLINE_MS = 120_000;
const DATA = "/var/lib/postgresql/data";
/** what an image of PostgreSQL does first: a database where there is none yet */
const SERVE = `#!/bin/sh
set -e
bin=$(echo /usr/lib/postgresql/*/bin)
[ -s ${DATA}/PG_VERSION ] || "$bin/initdb" -D ${DATA} --auth=trust --no-sync >/dev/null
exec "$bin/postgres" -D ${DATA} -c listen_addresses=
`;

let folder: string;
let registry: DebianRegistry;
let world: World;

/** Images of one Debian userland and two configs; they share its layer. */
async function makeImages(): Promise<void> {
  const layout = join(folder, "layout");
  const bundle = join(folder, "bundle");
  const umoci = (...args: readonly string[]) => run("umoci", args, { maxBuffer: 64 * 1024 * 1024 });
  await umoci("init", "--layout", layout);
  await umoci("new", "--image", `${layout}:base`);
  await umoci("unpack", "--image", `${layout}:base`, bundle);
  const root = join(bundle, "rootfs");
  await run("debootstrap", ["--variant=minbase", `--include=${PACKAGES}`, "bookworm", join(folder, "root")], {
    maxBuffer: 64 * 1024 * 1024,
  });
  await run("cp", ["-a", `${join(folder, "root")}/.`, root]);
  writeFileSync(join(root, "usr/local/bin/serve"), SERVE, { mode: 0o755 });
  // A volume gets its owner from the folder that the image has there.
  const owner = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync(join(root, "etc/passwd"), "utf8"));
  mkdirSync(join(root, DATA));
  chownSync(join(root, DATA), Number(owner?.[1]), Number(owner?.[2]));
  await umoci("repack", "--image", `${layout}:base`, bundle);
  const nginx = ["--config.cmd", "nginx", "--config.cmd", "-g", "--config.cmd", "daemon off;", "--config.exposedports", "80/tcp"];
  await umoci("config", "--image", `${layout}:base`, "--tag", "nginx", ...nginx);
  const postgres = ["--config.entrypoint", "/usr/local/bin/serve", "--config.user", "postgres", "--config.volume", DATA];
  await umoci("config", "--image", `${layout}:base`, "--tag", "postgres", ...postgres);
}

describe.runIf(soak)("servers of Debian from a registry", () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "isthmus-servers-"));
    await makeImages();
    registry = await debianRegistry(folder);
    for (const name of ["nginx", "postgres"]) {
      const compressed = ["--dest-compress-format", "zstd", "--dest-tls-verify=false"];
      await run("skopeo", ["copy", ...compressed, `oci:${join(folder, "layout")}:${name}`, `docker://${registry.host}/${name}:v1`]);
    }
    world = await World.start();
  }, 900_000);
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it("nginx serves a page on a free port for the one that its image exposes", async () => {
    const id = await world.ok(["run", "-d", "--memory", "256m", "-P", `${registry.host}/nginx:v1`]);
    const { ports } = await world.isthmus.machines.get(id);
    expect(ports).toEqual([{ guest: 80, host: expect.any(Number), address: "127.0.0.1", protocol: "tcp" }]);
    const port = ports[0]?.host ?? 0;
    expect(await world.ok(["ps"])).toContain(`127.0.0.1:${port}->80/tcp`);
    const page = await eventually("the page", () => get(port), START_DEADLINE_MS);
    expect(page).toContain("Welcome to nginx");
    await world.ok(["rm", "-f", id]);
  }, 600_000);

  it("PostgreSQL keeps its data on a volume", async () => {
    const start = ["run", "-d", "--memory", "512m", "-v", `pgdata:${DATA}`, `${registry.host}/postgres:v1`];
    const sql = async (id: string, text: string) =>
      await eventually(
        text,
        async () => {
          const { code, text: rows } = await world.cli(["exec", "-u", "postgres", id, "psql", "-At", "-c", text]);
          return code === 0 ? rows : undefined;
        },
        START_DEADLINE_MS,
      );
    const first = await world.ok(start);
    await sql(first, "SELECT 1");
    await sql(first, "CREATE TABLE kept AS SELECT g AS n FROM generate_series(1, 1000) g");
    await world.ok(["kill", first]);
    await world.ok(["rm", first]);
    const second = await world.ok(start);
    expect(await sql(second, "SELECT count(*), sum(n) FROM kept")).toBe("1000|500500");
    await world.ok(["rm", "-f", second]);
  }, 900_000);
});

async function get(port: number): Promise<string | undefined> {
  return await fetch(`http://127.0.0.1:${port}/`)
    .then((answer) => answer.text())
    .catch(() => undefined);
}
