import { readFileSync } from "node:fs";
import { type Role, roles } from "@isthmus/contract";
import { hostOwner, type Permission } from "@isthmus/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildApp } from "./app.ts";
import type { App } from "./deps.ts";
import { fakeDeps } from "./testing/fakes.ts";

const HOST_TOKEN = "the-token-of-the-settings";

interface Operation {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** as in the document, `{name}` for what is filled in */
  readonly path: string;
  readonly permission: Permission;
}

let deps: ReturnType<typeof fakeDeps>;
let app: App;
let operations: Operation[];

beforeAll(async () => {
  deps = fakeDeps();
  app = await buildApp(
    deps,
    { closing: new AbortController().signal, sessions: 0 },
    { authority: { owner: false, hostToken: HOST_TOKEN } },
  );
  const answer = await app.inject({ url: "/v1/openapi.json", headers: { authorization: `Bearer ${HOST_TOKEN}` } });
  const document: { paths: Record<string, Record<string, { "x-permission": Permission }>> } = answer.json();
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase() as Operation["method"],
      path,
      permission: operation["x-permission"],
    })),
  );
});
afterAll(() => app.close());

const made = (name: string, role: Role, tenant?: string) => deps.tokens.create({ name, role, tenant }, hostOwner).value;

async function ask({ method, path }: Omit<Operation, "permission">, authorization: string | undefined) {
  const url = path.replace(/\{tenant\}/g, "a").replace(/\{\w+\}/g, "nobody");
  const answer = await app.inject({ method, url, headers: authorization === undefined ? {} : { authorization } });
  const code: unknown = answer.statusCode >= 400 ? answer.json().error.code : undefined;
  return { status: answer.statusCode, code };
}

describe("every route", () => {
  it("declares who may use it, and a door with one that does not never opens", async () => {
    expect(operations.length).toBeGreaterThanOrEqual(50);
    for (const { method, path, permission } of operations) {
      expect(roles, `${method} ${path}`).toContain(permission?.role);
      // Looking is the only thing that a viewer does.
      if (method !== "GET") expect(permission.role, `${method} ${path}`).not.toBe("viewer");
    }
    const fresh = await buildApp(deps, { closing: new AbortController().signal, sessions: 0 });
    expect(() => fresh.get("/v1/open", async () => "all")).toThrow(expect.objectContaining({ code: "INTERNAL" }));
    await fresh.close();
  });

  it("answers each kind of token as it declares", async () => {
    const kinds = roles.flatMap((role) => [
      { role, tenant: undefined, token: made(`all-${role}`, role) },
      { role, tenant: "a", token: made(`a-${role}`, role, "a") },
    ]);
    let cells = 0;
    for (const operation of operations) {
      const { role: least, reach } = operation.permission;
      for (const { role, tenant, token } of kinds) {
        const { status, code } = await ask(operation, `Bearer ${token}`);
        const name = `${role} of ${tenant ?? "the host"}: ${operation.method} ${operation.path}`;
        const allowed = roles.indexOf(role) >= roles.indexOf(least) && (tenant === undefined || reach === "tenant");
        if (allowed) expect([401, 403], name).not.toContain(status);
        else expect({ status, code }, name).toEqual({ status: 403, code: "FORBIDDEN" });
        cells += 1;
      }
    }
    expect(cells).toBe(operations.length * 6);
  });

  it("turns away whoever brings no token, or none that is valid", async () => {
    const value = made("cut", "admin");
    const expired = made("expired", "admin");
    const revoked = made("revoked", "admin");
    deps.tokens.remove("revoked", hostOwner);
    const other = value.endsWith("A") ? "B" : "A";
    const bad: Record<string, string | undefined> = {
      none: undefined,
      empty: "",
      "bearer of nothing": "Bearer ",
      basic: `Basic ${value}`,
      "without a scheme": value,
      truncated: `Bearer ${value.slice(0, -1)}`,
      "the last character changed": `Bearer ${value.slice(0, -1)}${other}`,
      "another's secret": `Bearer ${value.slice(0, 22)}${expired.slice(22)}`,
      lengthened: `Bearer ${value}x`,
      "an id alone": `Bearer ${value.slice(0, 21)}`,
      revoked: `Bearer ${revoked}`,
      "of the settings, truncated": `Bearer ${HOST_TOKEN.slice(0, -1)}`,
      nonsense: "Bearer %00%ff",
      "two tokens": `Bearer ${value} ${value}`,
    };
    for (const operation of operations)
      for (const [name, authorization] of Object.entries(bad))
        expect(await ask(operation, authorization), `${name}: ${operation.method} ${operation.path}`).toEqual({
          status: 401,
          code: "UNAUTHORIZED",
        });
    expect(await ask({ method: "GET", path: "/v1/nothing" }, undefined)).toEqual({ status: 401, code: "UNAUTHORIZED" });
    expect((await ask({ method: "GET", path: "/v1/health" }, `bearer  ${value}`)).status).toBe(200);
  });

  it("is in the guide's table with what it declares", () => {
    const guide = readFileSync(new URL("../../../../docs/access.md", import.meta.url), "utf8");
    const rows = operations.map(({ method, path, permission: { role, reach } }) => {
      const shown = path.replace(/\{(\w+)\}/g, ":$1");
      return `| \`${method} ${shown}\` | ${role} | ${reach === "host" ? "no" : "yes"} |`;
    });
    expect(rows.filter((row) => !guide.includes(row)).join("\n")).toBe("");
    expect(guide.match(/^\| `(GET|POST|PUT|PATCH|DELETE) /gm)).toHaveLength(rows.length);
  });
});

describe("a tenant's token", () => {
  const as = (token: string, method: Operation["method"], url: string, payload?: object) =>
    app.inject({ method, url, payload, headers: { authorization: `Bearer ${token}` } });

  it("sees and touches its own machines, snapshots, quota, events and tokens, and no other's", async () => {
    const [a, b] = [made("op-a", "operator", "a"), made("op-b", "operator", "b")];
    const mine = await as(a, "POST", "/v1/machines", { image: "x", name: "mine" });
    expect(mine.json()).toMatchObject({ spec: { tenant: "a" } });
    expect((await as(b, "POST", "/v1/machines", { image: "x", name: "theirs", tenant: "a" })).json().error.code).toBe("FORBIDDEN");
    const mounts = [{ type: "bind", source: "/data", path: "/data" }];
    expect((await as(b, "POST", "/v1/machines", { image: "x", mounts })).json().error.code).toBe("FORBIDDEN");
    const ports = [{ guest: 80, host: 0, address: "0.0.0.0", protocol: "tcp" }];
    expect((await as(b, "POST", "/v1/machines", { image: "x", ports })).json().error.code).toBe("FORBIDDEN");
    expect((await as(b, "POST", "/v1/machines?pull=always", { image: "x" })).json().error.code).toBe("FORBIDDEN");
    await as(b, "POST", "/v1/machines", { image: "x", name: "theirs" });
    const names = async (token: string) =>
      (await as(token, "GET", "/v1/machines")).json().machines.map((one: { name: string }) => one.name);
    expect(await names(a)).toEqual(["mine"]);
    expect(await names(b)).toEqual(["theirs"]);
    expect(await names(HOST_TOKEN)).toEqual(["mine", "theirs"]);
    expect((await as(a, "POST", "/v1/snapshots", { machine: "mine", name: "kept" })).statusCode).toBe(201);
    const refs = ["mine", mine.json().id, mine.json().id.slice(0, 6)];
    const touching = operations.filter(({ path }) => path.startsWith("/v1/machines/{ref}"));
    expect(touching.length).toBeGreaterThanOrEqual(15);
    const query: Record<string, string> = { "/archive": "?path=/data", "/path": "?path=/data" };
    for (const { method, path } of touching) {
      if (/exec$|attach$/.test(path)) continue;
      for (const ref of refs) {
        const end = path.slice("/v1/machines/{ref}".length);
        const bodies: Record<string, object> = { "/clone": {}, "/rename": { name: "y" } };
        const payload = method === "PATCH" ? {} : bodies[end];
        const answer = await as(b, method, `/v1/machines/${ref}${end}${query[end] ?? ""}`, payload);
        expect([answer.statusCode, answer.json().error?.code], `${method} ${path} of ${ref}`).toEqual([404, "MACHINE_NOT_FOUND"]);
      }
    }
    expect((await as(b, "POST", "/v1/snapshots", { machine: "mine" })).json().error.code).toBe("MACHINE_NOT_FOUND");
    expect((await as(b, "GET", "/v1/snapshots")).json()).toEqual({ snapshots: [] });
    for (const method of ["GET", "DELETE"] as const)
      expect((await as(b, method, "/v1/snapshots/kept")).json().error.code).toBe("SNAPSHOT_NOT_FOUND");
    expect((await as(b, "POST", "/v1/snapshots/kept/clone", {})).json().error.code).toBe("SNAPSHOT_NOT_FOUND");
    expect((await as(a, "GET", "/v1/snapshots/kept")).statusCode).toBe(200);
    expect((await as(b, "GET", "/v1/quotas/a")).json().error.code).toBe("QUOTA_NOT_FOUND");
    expect((await as(b, "GET", "/v1/quotas")).json().quotas.map(({ tenant }: { tenant: string }) => tenant)).toEqual(["b"]);
    expect((await as(b, "GET", "/v1/events?machine=mine")).json().error.code).toBe("MACHINE_NOT_FOUND");
    expect((await as(b, "GET", "/v1/events")).body).not.toContain("mine");
    expect((await as(b, "GET", "/v1/events")).body).toContain("theirs");
  });

  it("of an admin gives rights within its tenant only", async () => {
    const admin = made("admin-a", "admin", "a");
    expect((await as(admin, "POST", "/v1/tokens", { name: "more", role: "admin", tenant: "b" })).json().error.code).toBe("FORBIDDEN");
    const given = await as(admin, "POST", "/v1/tokens", { name: "more", role: "operator" });
    expect(given.json()).toMatchObject({ token: { tenant: "a", role: "operator" } });
    expect((await as(admin, "DELETE", "/v1/tokens/op-b")).json().error.code).toBe("TOKEN_NOT_FOUND");
    const seen = (await as(admin, "GET", "/v1/tokens")).json().tokens.map(({ tenant }: { tenant: string }) => tenant);
    expect(new Set(seen)).toEqual(new Set(["a"]));
    expect((await as(admin, "DELETE", "/v1/tokens/more")).statusCode).toBe(200);
  });
});
