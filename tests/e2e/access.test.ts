import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Isthmus, type Token } from "@isthmus/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

let folder: string;
let key: string;
let cert: string;
let world: World;
let url: string;

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

function makeCertificate(name: string): void {
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  execFileSync("openssl", ["req", "-x509", ...curve, "-nodes", ...subject], { stdio: "ignore" });
}

const client = (token: string) => new Isthmus({ url, token, ca: readFileSync(cert) });
const make = async (...words: readonly string[]) => await world.ok(["token", "create", ...words]);
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "ok",
    (error: { code?: string }) => error.code,
  );

/** Files below `place`, or these files, that hold `text`. It comes from stdin: in an argument it would be found in the search itself. */
function holding(text: string, ...places: readonly string[]): string {
  return spawnSync("grep", ["-rlasF", "--file=-", ...places], { input: text, encoding: "utf8" }).stdout;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-tls-"));
  [key, cert] = [join(folder, "tls.key"), join(folder, "tls.pem")];
  makeCertificate("first");
  const address = `127.0.0.1:${await freePort()}`;
  url = `https://${address}`;
  world = await World.start({ ISTHMUS_TCP_ADDRESS: address, ISTHMUS_TLS_CERT: cert, ISTHMUS_TLS_KEY: key });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("tokens of a daemon on TCP", () => {
  it("keep tenants apart, on the socket too, and hold after a restart", async () => {
    const [a, b] = [await make("a", "--role", "operator", "--tenant", "a"), await make("b", "--role", "viewer", "--tenant", "b")];
    using ofA = client(a);
    await ofA.machines.create({ image: "busybox", name: "mine", command: ["true"] }, { start: false });
    using ofB = client(b);
    expect(await codeOf(ofB.machines.get("mine"))).toBe("MACHINE_NOT_FOUND");
    expect(await codeOf(ofB.machines.create({ image: "busybox" }, { start: false }))).toBe("FORBIDDEN");
    expect(await codeOf(ofB.host.status())).toBe("FORBIDDEN");
    expect(await codeOf(ofA.machines.create({ image: "busybox", name: "mine" }, { start: false }))).toBe("NAME_TAKEN");
    const env = { ISTHMUS_TOKEN: b };
    expect((await world.cli(["ps", "-aq"], { env })).text).toBe("");
    expect((await world.cli(["rm", "mine"], { env })).stderr).toContain("needs role operator");
    expect((await world.cli(["ps"], { env: { ISTHMUS_TOKEN: `${b}x` } })).stderr).toContain("no valid token");
    expect(await world.ok(["ps", "-aq"])).not.toBe("");
    await world.killDaemon();
    await world.ok(["daemon", "start"]);
    expect(await codeOf(ofB.machines.get("mine"))).toBe("MACHINE_NOT_FOUND");
    expect((await ofA.machines.get("mine")).spec.tenant).toBe("a");
    const seen = [];
    for await (const event of ofB.events()) seen.push(event.machineName);
    expect(seen.filter((name) => name === "mine")).toEqual([]);
    expect((await ofA.version()).machines).toEqual({ requested: 1 });
    await ofA.machines.remove("mine");
    const after = [];
    for await (const event of ofA.events()) after.push(event.type);
    expect(after.at(-1)).toBe("machine.removed");
  });

  it("are found nowhere in the data folder", async () => {
    const value = await make("hidden", "--role", "admin");
    // The secret part may hold underscores itself, and what stands behind its last one be too short to be found nowhere.
    const secret = value.slice(-24);
    expect(JSON.parse(await world.ok(["token", "ls", "--json"])).map((token: Token) => token.name)).toContain("hidden");
    expect(holding(secret, world.home)).toBe("");
  });

  it("end what they opened when they are revoked", async () => {
    using watching = client(await make("w", "--role", "viewer"));
    const ended = Promise.withResolvers<unknown>();
    let began = false;
    void (async () => {
      for await (const event of watching.events({ follow: true })) if (event.type === "token.created") began = true;
    })().then(ended.resolve, ended.resolve);
    await eventually("the stream", async () => {
      await make(`t${performance.now()}`, "--role", "viewer");
      return began || undefined;
    });
    await world.ok(["token", "rm", "w"]);
    expect(await ended.promise).toMatchObject({ code: "UNAUTHORIZED" });
    expect(await codeOf(watching.version())).toBe("UNAUTHORIZED");
  });

  it("go on over a certificate that is renewed", async () => {
    const token = await make("on", "--role", "viewer");
    makeCertificate("second");
    process.kill(await world.daemonPid(), "SIGHUP");
    using renewed = client(token);
    await eventually("the new certificate", async () => ((await codeOf(renewed.health())) === "ok" ? true : undefined));
  });
});

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("secrets", () => {
  const value = `correct horse ${randomBytes(12).toString("hex")}`;
  const show =
    "sha256sum /run/secrets/db /etc/app/key; printf %s \"$API\" | sha256sum; stat -c '%u %a' /run/secrets/db; grep -c /run/secrets /proc/mounts";
  const shown = (owner: number) => [sha256(value), sha256(value), sha256(value), `${owner} 400`, "1"];
  const words = (text: string) => text.split("\n").map((line) => line.replace(/ +[-/].*$/, ""));
  const flags = ["--secret", "db", "--secret", "db:/etc/app/key", "--secret-env", "API=db"];

  it("are given as files for the workload's user and as variables, after a restart too", async () => {
    await world.ok(["secret", "create", "db"], { input: value });
    expect(words(await world.ok(["run", "--rm", ...flags, "busybox", "sh", "-c", show]))).toEqual(shown(0));
    expect(words(await world.ok(["run", "--rm", "-u", "1234:5", ...flags, "busybox", "sh", "-c", show]))).toEqual(shown(1234));
    await world.ok(["run", "-d", "--name", "app", ...flags, "busybox", "sleep", "1000"]);
    expect(words(await world.ok(["exec", "app", "sh", "-c", show]))).toEqual(shown(0));
    await world.killDaemon();
    await world.ok(["daemon", "start"]);
    expect(words(await world.ok(["exec", "app", "sh", "-c", show]))).toEqual(shown(0));
    await world.ok(["restart", "-t", "0", "app"]);
    expect(words(await world.ok(["exec", "app", "sh", "-c", show]))).toEqual(shown(0));
  });

  it("are found nowhere on the host while a machine has them", async () => {
    const encoded = Buffer.from(value).toString("base64").slice(0, -4);
    const processes = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`]);
    const told = await Promise.all([
      world.ok(["inspect", "app"]),
      world.ok(["events", "--json"]),
      world.ok(["secret", "ls", "--json"]),
      world.ok(["ps", "-a", "--json"]),
      world.ok(["logs", "app"]),
    ]);
    for (const text of [value, encoded]) {
      expect(holding(text, world.home, ...processes)).toBe("");
      for (const one of told) expect(one).not.toContain(text);
    }
    expect(told[0]).toMatch(/"API": ?"db"/);
    expect(statSync(join(world.home, "secrets.key")).mode & 0o777).toBe(0o600);
  });

  it("are refused where they are not, stay while they are needed, and are a tenant's own", async () => {
    expect((await world.cli(["run", "--secret", "nothing", "busybox"])).stderr).toContain("has no secret nothing");
    expect((await world.cli(["run", "--tenant", "b", "--secret", "db", "busybox"])).stderr).toContain("tenant b has no secret db");
    expect((await world.cli(["secret", "create", "db"], { input: "x" })).stderr).toContain("already");
    expect((await world.cli(["secret", "create", "large"], { input: "x".repeat(40_000) })).stderr).toContain("limit");
    await world.ok(["secret", "create", "binary"], { input: Buffer.of(0, 255) });
    expect((await world.cli(["run", "--secret-env", "A=binary", "busybox"])).stderr).toContain("is no text");
    expect((await world.cli(["secret", "rm", "db"])).stderr).toContain("given to machine app");
    await world.ok(["rm", "-f", "app"]);
    await world.ok(["secret", "rm", "db", "binary"]);
    expect(await world.ok(["secret", "ls", "-q"])).toBe("");
  });
});
