import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority } from "@isthmus/door-http/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

const folder = mkdtempSync(join(tmpdir(), "isthmus-client-certificates-"));
const authority = new TestAuthority("authority");
const next = new TestAuthority("next");
let world: World;
let remote: Record<string, string>;

function put(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const pair = (of: TestAuthority, name: string) => {
  const { cert, key } = of.issue(name);
  return { ISTHMUS_CERT_FILE: put(`${name}.pem`, cert), ISTHMUS_KEY_FILE: put(`${name}.key`, key) };
};

const server = authority.issue("server");
const listener = {
  ISTHMUS_TCP_ADDRESS: "127.0.0.1:0",
  ISTHMUS_TLS_CERT: put("server.pem", server.cert),
  ISTHMUS_TLS_KEY: put("server.key", server.key),
  ISTHMUS_TLS_CLIENT_CA_FILE: put("clients.pem", authority.cert),
};

beforeAll(async () => {
  world = await World.start(listener);
  const ready = readFileSync(join(world.home, "daemon.log"), "utf8")
    .split("\n")
    .find((line) => line.includes('"tcpPort"'));
  remote = {
    ISTHMUS_URL: `https://127.0.0.1:${JSON.parse(ready ?? "{}").tcpPort}`,
    ISTHMUS_CA_FILE: put("authority.pem", authority.cert),
    ISTHMUS_TOKEN: await world.ok(["token", "create", "far", "--role", "viewer"]),
  };
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
  authority[Symbol.dispose]();
  next[Symbol.dispose]();
});

describe("a daemon with ISTHMUS_TLS_CLIENT_CA_FILE", () => {
  it("serves commands that have certificate and token, and tells others what they lack", async () => {
    const laptop = pair(authority, "laptop");
    expect(await world.cli(["ps"], { env: { ...remote, ...laptop } })).toMatchObject({ code: 0, stderr: "" });
    const without = await world.cli(["ps"], { env: remote });
    expect(without.code).toBe(1);
    expect(without.stderr).toContain("it asks for a client certificate, and none was given");
    expect(without.stderr).toContain("ISTHMUS_CERT_FILE and ISTHMUS_KEY_FILE");
    const foreign = await world.cli(["ps"], { env: { ...remote, ...pair(next, "foreign") } });
    expect(foreign.stderr).toContain("(CN=foreign) is not one for clients by an authority that it trusts; it is signed by CN=next");
    const untold = await world.cli(["ps"], { env: { ...remote, ...laptop, ISTHMUS_TOKEN: "isth_0000" } });
    expect(untold.stderr).toContain("no valid token");
  });

  it("takes another authority up at SIGHUP", async () => {
    const env = { ...remote, ...pair(next, "later") };
    expect((await world.cli(["ps"], { env })).code).toBe(1);
    put("clients.pem", authority.cert + next.cert);
    process.kill(await world.daemonPid(), "SIGHUP");
    await eventually("the new authority", async () => ((await world.cli(["ps"], { env })).code === 0 ? true : undefined));
  });

  it("does not start with a file that does not do", async () => {
    const env = { ISTHMUS_HOME: join(folder, "home"), ISTHMUS_SOCKET: join(folder, "run", "d.sock") };
    const refused = await world.cli(["daemon", "run"], { env: { ...env, ISTHMUS_TLS_CLIENT_CA_FILE: put("bad.pem", "garbage") } });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("setting ISTHMUS_TLS_CLIENT_CA_FILE is not valid: no certificate in PEM form is in it");
  });
});
