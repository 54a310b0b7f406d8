import { Readable } from "node:stream";
import { IsthmusError, type MachineSpec, type Mount, type Role } from "@isthmus/contract";
import { hostOwner, machinesOf } from "@isthmus/core";
import { createHttpDoor, type HttpDoor } from "@isthmus/door-http";
import { fakeDeps } from "@isthmus/door-http/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

let daemon: FakeDaemon;
let deps: ReturnType<typeof fakeDeps>;
let door: HttpDoor;
/** tokens by whose they are; without one it is the socket's owner that asks */
let tokens: Record<"a" | "b" | "host", string>;

beforeEach(async () => {
  daemon = new FakeDaemon();
  await daemon.machines.adoptAll();
  deps = fakeDeps();
  door = await createHttpDoor({ ...deps, machines: daemon.machines });
  const made = (name: string, role: Role, tenant?: string) => deps.tokens.create({ name, role, tenant }, hostOwner).value;
  tokens = { a: made("a", "operator", "a"), b: made("b", "operator", "b"), host: made("host", "operator") };
  for (const [name, tenant] of Object.entries({ ofa: "a", ofb: "b", ofhost: undefined }))
    await daemon.machines.volumes.create({ name, tenant });
});
afterEach(async () => {
  await door.close();
  daemon.remove();
});

type Method = "GET" | "POST" | "PUT" | "DELETE";

async function ask(token: string | undefined, method: Method, path: string, payload?: object | string) {
  const archive = typeof payload === "string" ? { "content-type": "application/x-tar" } : {};
  const headers = { ...archive, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  const answer = await door.app.inject({ method, url: `/v1${path}`, headers, ...(payload === undefined ? {} : { payload }) });
  const body = answer.headers["content-type"]?.startsWith("application/json") === true ? answer.json() : answer.body;
  return { status: answer.statusCode, code: body.error?.code ?? "done", body };
}

const names = async (token: string | undefined) =>
  (await ask(token, "GET", "/volumes")).body.volumes.map(({ name }: { name: string }) => name);
const mount = (source?: string): Mount => ({ type: "volume", path: "/data", ...(source && { source }) });
/** They take as many steps to be made. */
const many = Array.from({ length: 11 }, (_, index): Mount => ({ type: "volume", path: `/m${index}`, source: `missing-${index}` }));
const run = (token: string | undefined, source: string | undefined, spec: Partial<MachineSpec> = {}) =>
  ask(token, "POST", "/machines?start=true", { image: "busybox", mounts: [mount(source)], ...spec });

describe("a tenant's token", () => {
  it("finds another's volumes and the host's as little as those that are not there, on every route", async () => {
    const document = (await ask(undefined, "GET", "/openapi.json")).body;
    const routes = Object.entries<Record<string, unknown>>(document.paths).filter(([path]) => path.startsWith("/v1/volumes/{name}"));
    const calls = routes.flatMap(([path, methods]) => Object.keys(methods).map((method) => [method.toUpperCase(), path.slice(3)] as const));
    expect(calls.map(([method, path]) => `${method} ${path}`).sort()).toEqual([
      "DELETE /volumes/{name}",
      "GET /volumes/{name}",
      "GET /volumes/{name}/archive",
      "PUT /volumes/{name}/archive",
    ]);
    for (const [method, path] of calls.filter(([method]) => method !== "PUT"))
      for (const name of ["ofb", "ofhost", "nowhere"])
        expect(await ask(tokens.a, method as Method, path.replace("{name}", name)), `${method} ${name}`).toMatchObject({
          status: 404,
          body: { error: { code: "VOLUME_NOT_FOUND", message: `no volume ${name}` } },
        });
    expect(await names(undefined)).toEqual(["ofa", "ofb", "ofhost"]);
  });

  it("is told that a name is taken, and not by whom", async () => {
    const message = (name: string) => `the name ${name} belongs to a volume that is not of tenant a`;
    for (const name of ["ofb", "ofhost"])
      for (const answer of [
        await ask(tokens.a, "POST", "/volumes", { name }),
        await ask(tokens.a, "PUT", `/volumes/${name}/archive`, "archive"),
        await run(tokens.a, name),
      ])
        expect(answer).toMatchObject({ status: 409, body: { error: { code: "VOLUME_NAME_TAKEN", message: message(name) } } });
    expect((await ask(tokens.a, "POST", "/volumes", { name: "ofa" })).code).toBe("VOLUME_EXISTS");
    expect((await ask(tokens.a, "PUT", "/volumes/ofa/archive", "archive")).code).toBe("VOLUME_EXISTS");
    expect(daemon.all()).toEqual([]);
  });

  it("is refused another's volume before any other is made", async () => {
    const made = vi.spyOn(daemon.host.volumes, "set");
    expect((await run(tokens.a, undefined, { mounts: [...many, mount("ofb")] })).code).toBe("VOLUME_NAME_TAKEN");
    expect(made).not.toHaveBeenCalled();
  });

  it("makes, lists, shows, copies, removes and prunes its own", async () => {
    expect((await ask(tokens.a, "POST", "/volumes", { name: "made" })).body).toMatchObject({ name: "made", tenant: "a" });
    expect((await ask(tokens.a, "PUT", "/volumes/copy/archive", "archive")).body).toMatchObject({ name: "copy", tenant: "a" });
    expect(await ask(tokens.a, "GET", "/volumes/copy/archive")).toMatchObject({ status: 200, body: "archive" });
    expect((await ask(tokens.a, "GET", "/volumes/ofa")).body).toMatchObject({ name: "ofa", tenant: "a" });
    expect(await names(tokens.a)).toEqual(["copy", "made", "ofa"]);
    expect((await ask(tokens.a, "DELETE", "/volumes/made")).status).toBe(200);
    const pruned = (await ask(tokens.a, "POST", "/volumes/prune?all=true")).body.volumes;
    expect(pruned.map(({ name }: { name: string }) => name)).toEqual(["copy", "ofa"]);
    expect(await names(undefined)).toEqual(["ofb", "ofhost"]);
  });

  it("makes none for another, and gives machines none of another's and nothing of the host's files", async () => {
    for (const answer of [
      await ask(tokens.a, "POST", "/volumes", { name: "x", tenant: "b" }),
      await ask(tokens.a, "PUT", "/volumes/x/archive?tenant=b", "archive"),
      await run(tokens.a, "ofb", { tenant: "b" }),
      await run(tokens.a, undefined, { mounts: [{ type: "bind", source: "/srv", path: "/srv" }] }),
    ])
      expect(answer).toMatchObject({ status: 403, code: "FORBIDDEN" });
    expect(await names(tokens.b)).toEqual(["ofb"]);
  });

  it("gives its machines its own volumes, those that are missing and those without a name", async () => {
    for (const source of ["ofa", "missing", undefined]) expect((await run(tokens.a, source)).code).toBe("done");
    const { volumes } = (await ask(tokens.a, "GET", "/volumes")).body;
    expect(volumes.map(({ tenant, usedBy }: { tenant: string; usedBy: unknown[] }) => [tenant, usedBy.length])).toEqual(
      Array.from({ length: 3 }, () => ["a", 1]),
    );
    expect(await names(tokens.b)).toEqual(["ofb"]);
  });

  it("hears of its own volumes alone", async () => {
    await ask(tokens.b, "DELETE", "/volumes/ofb");
    const heard = async (token: string) => (await ask(token, "GET", "/events?follow=false")).body;
    expect(await heard(tokens.a)).toContain('"volume":"ofa"');
    expect(await heard(tokens.a)).not.toMatch(/ofb|ofhost/);
    expect(await heard(tokens.b)).toMatch(/volume\.created.*ofb[\s\S]*volume\.removed.*ofb/);
  });

  it("copies two at a time, since their guests are none that its quota counts", async () => {
    const { volumes } = machinesOf(daemon.machines, { ...hostOwner, tenant: "a" });
    const [first] = [await volumes.export("ofa"), await volumes.export("ofa")];
    await expect(volumes.export("ofa")).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS" });
    expect((await ask(tokens.a, "PUT", "/volumes/copy/archive", "archive")).code).toBe("TOO_MANY_REQUESTS");
    expect((await ask(undefined, "GET", "/volumes/ofa/archive")).status).toBe(200);
    first?.resume();
    await quiet();
    expect((await ask(tokens.a, "GET", "/volumes/ofa/archive")).status).toBe(200);
  });

  it("may copy again, and the daemon goes on, when a guest that copied cannot be ended", async () => {
    const { volumes } = machinesOf(daemon.machines, { ...hostOwner, tenant: "a" });
    const copies = [await volumes.export("ofa"), await volumes.export("ofa")];
    const ending = vi.spyOn(daemon.host, "end").mockImplementation(() => {
      throw new IsthmusError("TIMEOUT", { what: "the end of process 1", limit: 1 });
    });
    for (const copy of copies) copy.resume();
    await quiet();
    ending.mockRestore();
    expect((await ask(tokens.a, "GET", "/volumes/ofa/archive")).status).toBe(200);
  });

  it("keeps nobody from pruning by a copy that takes for ever", async () => {
    await machinesOf(daemon.machines, { ...hostOwner, tenant: "a" }).volumes.export("ofa");
    const [one, other] = await Promise.all([
      ask(undefined, "POST", "/volumes/prune?all=true"),
      ask(undefined, "POST", "/volumes/prune?all=true"),
    ]);
    expect([one.status, other.status]).toEqual([200, 200]);
    expect([...one.body.volumes, ...other.body.volumes].map(({ name }: { name: string }) => name).sort()).toEqual(["ofb", "ofhost"]);
    expect(await names(undefined)).toEqual(["ofa"]);
  });
});

describe.each(["host", "socket"] as const)("the owner of the host (%s)", (by) => {
  const token = () => (by === "host" ? tokens.host : undefined);

  it("uses the volumes of all, and makes them for any", async () => {
    expect(await names(token())).toEqual(["ofa", "ofb", "ofhost"]);
    expect((await ask(token(), "POST", "/volumes", { name: "more", tenant: "b" })).body).toMatchObject({ tenant: "b" });
    expect((await ask(token(), "PUT", "/volumes/copy/archive?tenant=b", "archive")).body).toMatchObject({ tenant: "b" });
    expect((await ask(token(), "POST", "/volumes", { name: "none" })).body).not.toHaveProperty("tenant");
    expect((await ask(token(), "POST", "/volumes", { name: "x", tenant: "../x" })).status).toBe(400);
    expect((await ask(token(), "POST", "/volumes", { name: "ofa", tenant: "b" })).code).toBe("VOLUME_EXISTS");
    expect((await ask(token(), "GET", "/volumes/ofa/archive")).status).toBe(200);
    expect((await ask(token(), "DELETE", "/volumes/ofb")).status).toBe(200);
    expect((await ask(token(), "POST", "/volumes/prune?all=true")).body.volumes).toHaveLength(5);
  });

  it("gives a machine volumes of its own tenant and of the host, and no others", async () => {
    const outcomes = [];
    for (const [tenant, source] of [
      ["a", "ofa"],
      ["a", "ofhost"],
      ["a", "ofb"],
      [undefined, "ofhost"],
      [undefined, "ofa"],
    ] as const) {
      const { code, body } = await run(token(), source, { tenant });
      outcomes.push(code === "done" ? code : body.error.message);
      if (code === "done") await daemon.machines.remove(body.id, { force: true });
    }
    const refused = (tenant: string) => `the name of${tenant} belongs to a volume of tenant ${tenant}`;
    expect(outcomes).toEqual(["done", "done", refused("b"), "done", refused("a")]);
  });

  it("leaves what a machine lacks to its tenant, or to the host where none is named", async () => {
    await run(token(), "ofteam", { tenant: "team" });
    await run(token(), "ofnobody");
    const { volumes } = (await ask(token(), "GET", "/volumes")).body;
    const found = volumes.map(({ name, tenant }: { name: string; tenant?: string }) => [name, tenant]);
    expect(Object.fromEntries(found)).toMatchObject({ ofteam: "team", ofnobody: undefined });
  });
});

describe("a machine of a tenant", () => {
  it("does not start with what has come in the place of its volume, and holds it for nobody", async () => {
    const { id } = (await run(tokens.a, "ofa")).body;
    daemon.host.volumes.delete("ofa");
    await daemon.restart();
    const { volumes } = daemon.machines;
    await volumes.create({ name: "ofa", tenant: "b" });
    const theirs = await daemon.machines.create({ image: "busybox", tenant: "b", mounts: [mount("ofa")] }, { start: true });
    expect((await volumes.get("ofa")).usedBy).toMatchObject([{ machineId: theirs.id }]);
    await daemon.machines.remove(theirs.id, { force: true });
    await daemon.machines.stop(id);
    await expect(daemon.machines.start(id)).rejects.toMatchObject({ code: "VOLUME_NOT_FOUND" });
    expect(await volumes.remove("ofa")).toMatchObject({ tenant: "b" });
  });

  it("is not told which machine of another tenant has a volume that the host gave both", async () => {
    await run(undefined, "ofhost", { tenant: "b", name: "theirs" });
    const { id } = (await ask(undefined, "POST", "/machines?start=false", { image: "busybox", tenant: "a", mounts: [mount("ofhost")] }))
      .body;
    const refused = await ask(tokens.a, "POST", `/machines/${id}/start`);
    expect(refused.body.error.message).toBe("volume ofhost is in use: another tenant's machine (running) writes to it");
    const own = await run(undefined, "ofhost", { tenant: "b" });
    expect(own.body.error.message).toContain("machine theirs (running)");
  });

  it("finds its volume again though the request that made it came to nothing", async () => {
    const { machines } = daemon;
    const failing = machines.create({ image: "busybox", mounts: [mount("shared"), ...many], stopSignal: "SIGNONE" });
    const going = machines.create({ image: "busybox", mounts: [mount("shared")] });
    await expect(failing).rejects.toMatchObject({ code: "INVALID_REQUEST" });
    expect((await machines.volumes.get("shared")).usedBy).toMatchObject([{ machineId: (await going).id }]);
    expect(await names(undefined)).toEqual(["ofa", "ofb", "ofhost", "shared"]);
  });

  it("is not made with a volume whose import may fail, to be given what the host has of that name later", async () => {
    const scoped = machinesOf(daemon.machines, { ...hostOwner, tenant: "a" });
    const call = new AbortController();
    daemon.host.nextStarts.push("hang");
    const importing = scoped.volumes.import({ name: "backup" }, Readable.from(["archive"]), { signal: call.signal });
    await quiet();
    await expect(scoped.create({ image: "busybox", mounts: [mount("backup")] })).rejects.toMatchObject({ code: "VOLUME_IN_USE" });
    call.abort();
    await expect(importing).rejects.toMatchObject({ code: "CANCELLED" });
    expect([await names(undefined), daemon.all()]).toEqual([["ofa", "ofb", "ofhost"], []]);
  });

  it("is not made when its volume has become the host's meanwhile", async () => {
    const { volumes } = daemon.machines;
    const { set } = daemon.host.volumes;
    // Its first volume was looked at by then, and others are still to be made.
    daemon.host.volumes.set = (name, volume) => {
      if (name === "missing-0") void volumes.remove("ofa").then(() => volumes.create({ name: "ofa" }));
      return set.call(daemon.host.volumes, name, volume);
    };
    const scoped = machinesOf(daemon.machines, { ...hostOwner, tenant: "a" });
    const making = scoped.create({ image: "busybox", mounts: [mount("ofa"), ...many] });
    await expect(making).rejects.toMatchObject({ code: "VOLUME_NAME_TAKEN" });
    expect(await names(undefined)).toEqual(["ofa", "ofb", "ofhost"]);
  });
});

it("volumes of before there were tenants' are the host's", async () => {
  daemon.host.volumes.set("old", { name: "old", sizeBytes: 1, anonymous: false, labels: {}, createdAt: "2026-01-01T00:00:00Z" });
  await daemon.restart();
  expect(await daemon.machines.volumes.get("old")).not.toHaveProperty("tenant");
  await expect(daemon.machines.volumes.get("old", { tenant: "default" })).rejects.toMatchObject({ code: "VOLUME_NOT_FOUND" });
});
