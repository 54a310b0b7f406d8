import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCli } from "../cli.ts";
import { fakeDaemon, machine } from "../testing/fake-daemon.ts";
import { cli, testWorld } from "../testing/test-world.ts";

const secret = { name: "db", tenant: "default", sizeBytes: 3, createdAt: "2026-01-01T00:00:00Z" };

describe("secret create", () => {
  it("takes the value from stdin or a file, byte for byte", async () => {
    await using daemon = await fakeDaemon(() => ({ status: 201, json: secret }));
    const world = testWorld({ socketPath: daemon.socketPath });
    world.stdin.end(Buffer.of(1, 10, 255));
    expect([await runCli(["secret", "create", "db"], world), world.out()]).toEqual([0, "db\n"]);
    expect(JSON.parse(daemon.seen.at(-1)?.body ?? "")).toEqual({ name: "db", value: Buffer.of(1, 10, 255).toString("base64") });
    const folder = mkdtempSync(join(tmpdir(), "isthmus-secret-"));
    writeFileSync(join(folder, "value"), "abc\n");
    const argv = ["secret", "create", "db", join(folder, "value"), "--tenant", "a", "--json"];
    const { out } = await cli(argv, { socketPath: daemon.socketPath });
    rmSync(folder, { recursive: true });
    expect(JSON.parse(out)).toEqual(secret);
    expect(JSON.parse(daemon.seen.at(-1)?.body ?? "")).toEqual({ name: "db", value: "YWJjCg==", tenant: "a" });
  });

  it("takes none that is typed, nor from a file that is not there", async () => {
    const typed = await cli(["secret", "create", "db"], { terminal: { columns: 80, rows: 24 } });
    expect([typed.code, typed.err]).toEqual([2, expect.stringContaining("would be seen")]);
    expect((await cli(["secret", "create", "db", "/no/such/file"])).err).toContain("/no/such/file");
  });
});

describe("secret ls and rm", () => {
  it("lists and removes", async () => {
    await using daemon = await fakeDaemon(({ method }) => ({ json: method === "GET" ? { secrets: [secret] } : secret }));
    const { out } = await cli(["secret", "ls"], { socketPath: daemon.socketPath });
    expect(out).toMatch(/^NAME +TENANT +SIZE +CREATED\ndb +default +3 B .*\n$/);
    expect((await cli(["secret", "ls", "-q"], { socketPath: daemon.socketPath })).out).toBe("db\n");
    await cli(["secret", "rm", "db", "--tenant", "a"], { socketPath: daemon.socketPath });
    expect(daemon.seen.at(-1)).toMatchObject({ method: "DELETE", path: "/secrets/db", query: { tenant: "a" } });
  });
});

describe("run with secrets", () => {
  it("names them", async () => {
    await using daemon = await fakeDaemon(() => ({ status: 201, json: machine() }));
    const flags = ["--secret", "db", "--secret", "key:/etc/app/key", "--secret-env", "API=api", "--secret-env", "B=b"];
    await cli(["run", "-d", ...flags, "busybox"], { socketPath: daemon.socketPath });
    expect(JSON.parse(daemon.seen.find(({ path }) => path === "/machines")?.body ?? "")).toMatchObject({
      secrets: [{ secret: "db" }, { secret: "key", path: "/etc/app/key" }],
      secretEnv: { API: "api", B: "b" },
    });
  });

  it.each([
    ["--secret", "key:relative"],
    ["--secret", ":/path"],
    ["--secret-env", "API"],
    ["--secret-env", "=api"],
    ["--secret-env", "API="],
  ])("%s %s is wrong usage", async (flag, text) => {
    const { err } = await cli(["run", flag, text, "busybox"]);
    expect(err).toContain(flag);
  });
});
