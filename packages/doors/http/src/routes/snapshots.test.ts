import { IsthmusError, limits, type Machine } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHttpDoor, type HttpDoor } from "../door.ts";
import { fakeDeps } from "../testing/fakes.ts";

let deps: ReturnType<typeof fakeDeps>;
let door: HttpDoor;
beforeEach(async () => {
  deps = fakeDeps();
  door = await createHttpDoor(deps);
  await deps.machines.create({ image: "busybox", name: "web", labels: { a: "b" } }, { start: true });
  await deps.machines.create({ image: "busybox", name: "never" });
});
afterEach(() => door.close());

async function ask(method: "GET" | "POST" | "DELETE", path: string, payload?: object) {
  const answer = await door.app.inject({ method, url: `/v1${path}`, ...(payload === undefined ? {} : { payload }) });
  const body = JSON.parse(answer.body);
  return { status: answer.statusCode, body, headers: answer.headers, code: body.error?.code, field: body.error?.details.field };
}

const port = { guest: 80, host: 8080, address: "127.0.0.1", protocol: "tcp" };

describe("snapshots", () => {
  it("are taken, listed newest first, shown and removed", async () => {
    const taken = await ask("POST", "/snapshots", { machine: "web", name: "before" });
    expect(taken).toMatchObject({ status: 201, body: { name: "before", machineName: "web", spec: { image: "busybox" } } });
    expect(taken.headers.location).toBe(`/v1/snapshots/${taken.body.id}`);
    const second = await ask("POST", "/snapshots", { machine: deps.machines.get("web").id });
    expect((await ask("GET", "/snapshots")).body).toEqual({ snapshots: [second.body, taken.body] });
    expect((await ask("GET", "/snapshots/before")).body).toEqual(taken.body);
    expect((await ask("GET", `/snapshots/${taken.body.id.slice(0, 6)}`)).body).toEqual(taken.body);
    expect(await ask("DELETE", "/snapshots/before")).toMatchObject({ status: 200, body: taken.body });
    expect(await ask("GET", "/snapshots/before")).toMatchObject({ status: 404, code: "SNAPSHOT_NOT_FOUND" });
    expect((await ask("GET", "/snapshots")).body).toEqual({ snapshots: [second.body] });
  });

  it("are cloned from: one machine, or many with numbered names and ports of their own", async () => {
    await ask("POST", "/snapshots", { machine: "web", name: "before" });
    const one = await ask("POST", "/snapshots/before/clone", {});
    expect(one).toMatchObject({ status: 201, body: { machines: [{ state: "running", clonedFrom: "before" }] } });
    const many = await ask("POST", "/snapshots/before/clone", { count: 2, name: "copy", ports: [{ ...port, host: 0 }], autoRemove: true });
    expect(many.body.machines.map(({ name }: Machine) => name)).toEqual(["copy-1", "copy-2"]);
    expect(many.body.machines[0].ports).toEqual([{ ...port, host: 0 }]);
  });

  it("hand on what the core refuses", async () => {
    await ask("POST", "/snapshots", { machine: "web", name: "before" });
    expect(await ask("POST", "/snapshots", { machine: "web", name: "before" })).toMatchObject({ status: 409, code: "SNAPSHOT_NAME_TAKEN" });
    expect(await ask("POST", "/snapshots", { machine: "nobody" })).toMatchObject({ status: 404, code: "MACHINE_NOT_FOUND" });
    expect(await ask("POST", "/snapshots", { machine: "never" })).toMatchObject({ status: 409, code: "STATE_CONFLICT" });
    expect(await ask("POST", "/snapshots/nothing/clone", {})).toMatchObject({ status: 404, code: "SNAPSHOT_NOT_FOUND" });
    expect(await ask("DELETE", "/snapshots/nothing")).toMatchObject({ status: 404, code: "SNAPSHOT_NOT_FOUND" });
    deps.machines.refusal = new IsthmusError("SNAPSHOT_UNUSABLE", { name: "before", reason: "another engine" });
    expect(await ask("POST", "/snapshots/before/clone", {})).toMatchObject({ status: 422, code: "SNAPSHOT_UNUSABLE" });
  });
});

it("gives every call that may take long the signal of its client", async () => {
  await ask("POST", "/snapshots", { machine: "web", name: "before" });
  await ask("POST", "/snapshots/before/clone", {});
  await ask("POST", "/machines/web/clone", {});
  await ask("POST", "/machines/web/suspend");
  await ask("POST", "/machines/web/resume");
  expect([deps.machines.snapshots.signals.length, deps.machines.signals.length]).toEqual([1, 3]);
});

describe("bad requests for snapshots and clones", () => {
  const many = Array.from({ length: limits.ports + 1 }, () => port);
  const cases: [name: string, path: string, body: object | undefined, code: string, field?: string][] = [
    ["no body", "/snapshots", undefined, "INVALID_REQUEST", "body"],
    ["no machine", "/snapshots", {}, "INVALID_REQUEST", "machine"],
    ["an empty machine", "/snapshots", { machine: "" }, "INVALID_REQUEST", "machine"],
    ["a machine that is a number", "/snapshots", { machine: 1 }, "INVALID_REQUEST", "machine"],
    ["a long machine", "/snapshots", { machine: "x".repeat(300) }, "INVALID_REQUEST", "machine"],
    ["a name that is a number", "/snapshots", { machine: "web", name: 1 }, "INVALID_REQUEST", "name"],
    ["a name without end", "/snapshots", { machine: "web", name: "x".repeat(2000) }, "INVALID_REQUEST", "name"],
    ["an unknown field of a snapshot", "/snapshots", { machine: "web", nmae: "x" }, "UNKNOWN_FIELD", "nmae"],
    ["no body of a clone", "/machines/web/clone", undefined, "INVALID_REQUEST", "body"],
    ["a count of zero", "/machines/web/clone", { count: 0 }, "INVALID_REQUEST", "count"],
    ["a count over the limit", "/machines/web/clone", { count: 501 }, "INVALID_REQUEST", "count"],
    ["a count in words", "/machines/web/clone", { count: "2" }, "INVALID_REQUEST", "count"],
    ["half a count", "/snapshots/x/clone", { count: 1.5 }, "INVALID_REQUEST", "count"],
    ["an unknown field of a clone", "/snapshots/x/clone", { cuont: 2 }, "UNKNOWN_FIELD", "cuont"],
    ["a clone with an image", "/machines/web/clone", { image: "x" }, "UNKNOWN_FIELD", "image"],
    ["ports that are no list", "/machines/web/clone", { ports: port }, "INVALID_REQUEST", "ports"],
    ["too many ports", "/machines/web/clone", { ports: many }, "INVALID_REQUEST", "ports"],
    ["a port on no address", "/machines/web/clone", { ports: [{ ...port, address: "localhost" }] }, "INVALID_REQUEST", "ports.0.address"],
    ["a guest port of zero", "/machines/web/clone", { ports: [{ ...port, guest: 0 }] }, "INVALID_REQUEST", "ports.0.guest"],
    ["a flag in words", "/machines/web/clone", { autoRemove: "yes" }, "INVALID_REQUEST", "autoRemove"],
    ["a query", "/machines/web/suspend?force=true", undefined, "UNKNOWN_FIELD", "force"],
    ["a body where none is taken", "/machines/web/resume", { now: true }, "UNKNOWN_FIELD", "now"],
  ];
  it.each(cases)("are refused: %s", async (_name, path, body, code, field) => {
    const answer = await ask("POST", path, body);
    expect(answer).toMatchObject({ status: 400, code, field });
    expect([deps.machines.entries.size, deps.machines.snapshots.entries.length]).toEqual([2, 0]);
  });
});

describe("a running machine", () => {
  it("is cloned and goes on", async () => {
    const { status, body } = await ask("POST", "/machines/web/clone", { count: 3 });
    expect(status).toBe(201);
    expect(body.machines).toHaveLength(3);
    expect(body.machines[0]).toMatchObject({ clonedFrom: "web", startedFrom: "snapshot" });
    expect(deps.machines.get("web").state).toBe("running");
    expect(await ask("POST", "/machines/never/clone", {})).toMatchObject({ status: 409, code: "STATE_CONFLICT" });
    expect(await ask("POST", "/machines/nobody/clone", {})).toMatchObject({ status: 404, code: "MACHINE_NOT_FOUND" });
  });

  it("is suspended, still listed as not ended, and resumed", async () => {
    expect(await ask("POST", "/machines/web/suspend")).toMatchObject({ status: 200, body: { state: "suspended" } });
    expect((await ask("GET", "/machines")).body.machines).toMatchObject([{ name: "web", suspendedAt: expect.any(String) }]);
    expect(await ask("POST", "/machines/web/suspend")).toMatchObject({ status: 409, code: "STATE_CONFLICT" });
    expect(await ask("POST", "/machines/web/clone", {})).toMatchObject({ status: 409, code: "STATE_CONFLICT" });
    expect(await ask("POST", "/machines/web/resume")).toMatchObject({ status: 200, body: { state: "running", startedFrom: "suspension" } });
    expect((await ask("GET", "/machines/web")).body).not.toHaveProperty("suspendedAt");
    expect(await ask("POST", "/machines/web/resume")).toMatchObject({ status: 409, code: "STATE_CONFLICT" });
  });
});
