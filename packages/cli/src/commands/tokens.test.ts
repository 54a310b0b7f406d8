import { describe, expect, it } from "vitest";
import { failure, fakeDaemon } from "../testing/fake-daemon.ts";
import { cli } from "../testing/test-world.ts";

const token = { id: "1f2e3d4c5b6a7988", name: "ci", role: "operator", tenant: "a", createdAt: "2026-01-01T00:00:00Z", expired: false };
const value = `isth_1f2e3d4c5b6a7988_${"x".repeat(43)}`;

describe("token create", () => {
  it("prints the value alone on stdout, and says that it is shown once", async () => {
    await using daemon = await fakeDaemon(() => ({ status: 201, json: { token, value } }));
    const flags = ["--role", "operator", "--tenant", "a", "--expires", "90d"];
    const { code, out, err } = await cli(["token", "create", "ci", ...flags], { socketPath: daemon.socketPath });
    expect([code, out]).toEqual([0, `${value}\n`]);
    expect(err).toContain("only time");
    expect(JSON.parse(daemon.seen.at(-1)?.body ?? "")).toEqual({ name: "ci", role: "operator", tenant: "a", expiresInMs: 7_776_000_000 });
    const json = await cli(["token", "create", "ci", "--role", "viewer", "--json"], { socketPath: daemon.socketPath });
    expect(JSON.parse(json.out)).toEqual({ token, value });
    expect(json.err).toBe("");
  });

  it.each([
    [["token", "create", "ci"], "--role"],
    [["token", "create", "ci", "--role", "root"], "viewer, operator, admin"],
    [["token", "create", "ci", "--role", "admin", "--expires", "soon"], "duration"],
    [["token", "create", "--role", "admin"], "name"],
  ])("%j is wrong usage", async (argv, text) => {
    const { code, err } = await cli(argv);
    expect(code).toBe(2);
    expect(err).toContain(text);
  });
});

describe("token ls and rm", () => {
  it("lists tokens without their values", async () => {
    const all = { ...token, name: "all", role: "admin", tenant: undefined, expiresAt: "2026-02-01T00:00:00Z", expired: true };
    await using daemon = await fakeDaemon(() => ({ json: { tokens: [all, token] } }));
    const { out } = await cli(["token", "ls"], { socketPath: daemon.socketPath });
    expect(out).toMatch(
      /^NAME +ID +ROLE +TENANT +CREATED +EXPIRES\nall +\S+ +admin +all .*expired\nci +1f2e3d4c5b6a7988 +operator +a .*never\n$/,
    );
    expect((await cli(["token", "ls", "-q"], { socketPath: daemon.socketPath })).out).toBe("all\nci\n");
    expect(JSON.parse((await cli(["token", "ls", "--json"], { socketPath: daemon.socketPath })).out)).toHaveLength(2);
  });

  it("revokes each, whatever becomes of the others", async () => {
    await using daemon = await fakeDaemon(({ path }) =>
      path === "/tokens/ci" ? { json: token } : failure("TOKEN_NOT_FOUND", "no token x", 404),
    );
    const { code, out, err } = await cli(["token", "rm", "x", "ci"], { socketPath: daemon.socketPath });
    expect([code, out]).toEqual([1, "ci\n"]);
    expect(err).toContain("no token x");
  });
});
