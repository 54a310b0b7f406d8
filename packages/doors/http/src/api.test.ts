import { IsthmusError } from "@isthmus/contract";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHttpDoor, type HttpDoor } from "./door.ts";
import { fakeDeps } from "./testing/fakes.ts";

const deps = fakeDeps();
let door: HttpDoor;
beforeAll(async () => {
  door = await createHttpDoor(deps);
});
afterAll(() => door.close());

type Method = "GET" | "POST" | "PUT" | "DELETE" | "PATCH";
const json = { "content-type": "application/json" };

async function ask(
  method: Method,
  url: string,
  payload?: string | object,
  headers: Record<string, string> = payload === undefined ? {} : json,
) {
  const answer = await door.app.inject({ method, url, payload, headers });
  const body = answer.body === "" ? undefined : JSON.parse(answer.body);
  return { status: answer.statusCode, body, headers: answer.headers, error: body?.error };
}

const create = (spec: object | string, headers: Record<string, string> = {}) => ask("POST", "/v1/machines", spec, { ...json, ...headers });

describe("bad requests", () => {
  const cases: [name: string, method: Method, url: string, body: string | object | undefined, code: string, field?: string][] = [
    ["a path that is not there", "GET", "/v1/nope", undefined, "ROUTE_NOT_FOUND"],
    ["another version", "GET", "/v2/machines", undefined, "ROUTE_NOT_FOUND"],
    ["a trailing slash", "GET", "/v1/machines/", undefined, "INVALID_REQUEST", "ref"],
    ["a wrong method", "PATCH", "/v1/machines", undefined, "METHOD_NOT_ALLOWED"],
    ["a wrong method on a machine", "PUT", "/v1/machines/x/start", undefined, "METHOD_NOT_ALLOWED"],
    ["a broken escape", "GET", "/v1/machines/%zz", undefined, "INVALID_REQUEST", "path"],
    ["a long reference", "GET", `/v1/machines/${"x".repeat(300)}`, undefined, "INVALID_REQUEST", "path"],
    ["an unknown machine", "GET", "/v1/machines/nobody", undefined, "MACHINE_NOT_FOUND"],
    ["an unknown query field", "GET", "/v1/machines?lmit=1", undefined, "UNKNOWN_FIELD", "lmit"],
    ["a query where none is taken", "GET", "/v1/version?x=1", undefined, "UNKNOWN_FIELD", "x"],
    ["a limit that is no number", "GET", "/v1/machines?limit=ten", undefined, "INVALID_REQUEST", "limit"],
    ["a limit of zero", "GET", "/v1/machines?limit=0", undefined, "INVALID_REQUEST", "limit"],
    ["a limit over the limit", "GET", "/v1/machines?limit=501", undefined, "INVALID_REQUEST", "limit"],
    ["two limits", "GET", "/v1/machines?limit=1&limit=2", undefined, "INVALID_REQUEST", "limit"],
    ["an unknown state", "GET", "/v1/machines?state=happy", undefined, "INVALID_REQUEST", "state.0"],
    ["a flag that is none", "GET", "/v1/machines?all=yes", undefined, "INVALID_REQUEST", "all"],
    ["an exit code over the limit", "GET", "/v1/machines?exited=256", undefined, "INVALID_REQUEST", "exited.0"],
    ["a kind of event with a dot too many", "GET", "/v1/events?type=A", undefined, "INVALID_REQUEST", "type.0"],
    ["no new name", "POST", "/v1/machines/x/rename", {}, "INVALID_REQUEST", "name"],
    ["an empty body", "POST", "/v1/machines", "", "INVALID_JSON"],
    ["broken JSON", "POST", "/v1/machines", '{"image":', "INVALID_JSON"],
    ["__proto__", "POST", "/v1/machines", '{"image":"x","__proto__":{"polluted":1}}', "INVALID_JSON"],
    ["a constructor", "POST", "/v1/machines", '{"image":"x","constructor":{"prototype":{"polluted":1}}}', "INVALID_JSON"],
    ["a list", "POST", "/v1/machines", "[]", "INVALID_REQUEST", "body"],
    ["null", "POST", "/v1/machines", "null", "INVALID_REQUEST", "body"],
    ["no image", "POST", "/v1/machines", {}, "INVALID_REQUEST", "image"],
    ["an image that is a number", "POST", "/v1/machines", { image: 1 }, "INVALID_REQUEST", "image"],
    ["an unknown field", "POST", "/v1/machines", { image: "x", comand: [] }, "UNKNOWN_FIELD", "comand"],
    [
      "an unknown field within",
      "POST",
      "/v1/machines",
      { image: "x", ports: [{ guest: 1, host: 0, address: "127.0.0.1", protocol: "tcp", x: 1 }] },
      "UNKNOWN_FIELD",
      "ports.0.x",
    ],
    ["a CPU count in words", "POST", "/v1/machines", { image: "x", cpus: "2" }, "INVALID_REQUEST", "cpus"],
    ["half a CPU", "POST", "/v1/machines", { image: "x", cpus: 0.5 }, "INVALID_REQUEST", "cpus"],
    ["too little memory", "POST", "/v1/machines", { image: "x", memoryBytes: 1 }, "INVALID_REQUEST", "memoryBytes"],
    ["a NUL in a command", "POST", "/v1/machines", { image: "x", command: ["a\0b"] }, "INVALID_REQUEST", "command.0"],
    ["an unknown isolation", "POST", "/v1/machines", { image: "x", isolation: "jail" }, "INVALID_REQUEST", "isolation"],
    ["a body where none is taken", "POST", "/v1/machines/x/pause", { now: true }, "UNKNOWN_FIELD", "now"],
    ["a stop timeout below zero", "POST", "/v1/machines/x/stop?timeoutMs=-1", undefined, "INVALID_REQUEST", "timeoutMs"],
    ["an unknown condition", "GET", "/v1/machines/x/wait?condition=happy", undefined, "INVALID_REQUEST", "condition"],
    ["a relative path", "GET", "/v1/machines/x/path?path=etc", undefined, "INVALID_REQUEST", "path"],
    ["no path", "GET", "/v1/machines/x/archive", undefined, "INVALID_REQUEST", "path"],
    ["a time that is none", "GET", "/v1/machines/x/logs?since=soon", undefined, "INVALID_REQUEST", "since"],
    ["a tail below zero", "GET", "/v1/machines/x/logs?tail=-1", undefined, "INVALID_REQUEST", "tail"],
    ["an image without a name", "GET", "/v1/images/inspect", undefined, "INVALID_REQUEST", "ref"],
    ["a tag without a target", "POST", "/v1/images/tag", { source: "x" }, "INVALID_REQUEST", "target"],
    ["exec without an upgrade", "GET", "/v1/machines/x/exec", undefined, "INVALID_REQUEST", "Upgrade"],
  ];

  it.each([
    [{ workdir: "rel" }, 'workdir is not valid: it must be an absolute path, such as /srv/app (given: "rel")'],
    [
      { hostname: "a_b" },
      "hostname is not valid: it must be letters, digits and '-', with a letter or digit at both ends (given: \"a_b\")",
    ],
    [{ tenant: "a b" }, /^tenant is not valid: it must be 1 to 63 letters/],
  ])("says in words what %j lacks", async (spec, message) => {
    const { error } = await ask("POST", "/v1/machines", { image: "x", ...spec });
    expect(error?.message).toEqual(typeof message === "string" ? message : expect.stringMatching(message));
  });

  it.each(cases)("refuses %s", async (_name, method, url, body, code, field) => {
    const before = deps.machines.entries.size;
    const { status, error } = await ask(method, url, body);
    expect(error).toMatchObject({ code, status, message: expect.any(String), remedy: expect.any(String) });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    if (field !== undefined) expect(error.details.field).toBe(field);
    expect(deps.machines.entries.size).toBe(before);
  });

  it("says what another method would have done", async () => {
    expect((await ask("PATCH", "/v1/machines")).headers.allow).toBe("POST, GET");
  });

  it("repeats a value shortened and without control characters", async () => {
    const { error } = await create({ image: "x", workdir: `\u001b[31m${"y".repeat(5000)}` });
    expect(error.details.value.length).toBeLessThanOrEqual(100);
    expect(error.message).not.toContain("\u001b");
  });

  it("says how many of something it takes", async () => {
    const { error } = await create({ image: "x", networks: [{ network: "a" }, { network: "b" }] });
    expect(error).toMatchObject({ code: "INVALID_REQUEST", details: { field: "networks", reason: "it takes 1 at most" } });
  });

  it("refuses a body over 1 MiB with its size", async () => {
    const { error } = await create({ image: "x", workdir: `/${"y".repeat(1_100_000)}` });
    expect(error).toMatchObject({ code: "TOO_LARGE", status: 413 });
  });

  it("takes JSON only", async () => {
    expect((await ask("POST", "/v1/machines", "image=x", { "content-type": "text/plain" })).error.code).toBe("UNSUPPORTED_MEDIA_TYPE");
    expect((await ask("POST", "/v1/machines", "image: x", {})).status).toBe(415);
  });

  it("refuses an idempotency key that is empty, long or not printable", async () => {
    for (const key of ["", "x".repeat(129), "a b", "ü"]) {
      const { error } = await create({ image: "x" }, { "idempotency-key": key });
      expect(error).toMatchObject({ code: "INVALID_REQUEST", details: { field: "Idempotency-Key" } });
    }
  });

  it("polluted no prototype", () => {
    expect("polluted" in {}).toBe(false);
  });
});

describe("answers", () => {
  it("gives 201 and the place of a new machine", async () => {
    const { status, headers, body } = await create({ image: "x", name: "web" });
    expect(status).toBe(201);
    expect(headers.location).toBe(`/v1/machines/${body.id}`);
    expect(body.state).toBe("running");
    expect((await ask("POST", "/v1/machines?start=false", { image: "x" })).body.state).toBe("requested");
  });

  it("follows a machine that it makes, when asked: itself, then what it writes", async () => {
    const making = door.app.inject({
      method: "POST",
      url: "/v1/machines?follow=true",
      payload: { image: "x", name: "followed" },
      headers: json,
    });
    await expect.poll(() => deps.machines.entries.size).toBeGreaterThan(0);
    await expect.poll(() => [...deps.machines.entries.values()].at(-1)?.machine.name).toBe("followed");
    deps.machines.print("followed", "stdout", "hi\n");
    deps.machines.print("followed", "stderr", Buffer.of(0xff));
    deps.machines.exit("followed", { code: 0 });
    const { statusCode, headers, body } = await making;
    const lines = body
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect([statusCode, headers["content-type"], headers.location]).toEqual([
      201,
      "application/x-ndjson",
      `/v1/machines/${lines[0]?.machine.id}`,
    ]);
    expect(lines).toMatchObject([
      { machine: { name: "followed", state: "running" } },
      { stream: "stdout", text: "hi\n" },
      { stream: "stderr", base64: "/w==" },
    ]);
  });

  it("answers a followed machine that does not start as others, and reads no more of it", async () => {
    deps.machines.startFailure = new IsthmusError("START_FAILED", { name: "x", reason: "no" });
    const { status, error } = await ask("POST", "/v1/machines?follow=true", { image: "x", name: "failing" });
    deps.machines.startFailure = undefined;
    expect([status, error.code]).toEqual([502, "START_FAILED"]);
    expect(deps.machines.entry("failing").more.size).toBe(0);
    const idle = await ask("POST", "/v1/machines?follow=true&start=false", { image: "x" });
    expect(idle.error).toMatchObject({ code: "INVALID_REQUEST", details: { field: "follow" } });
  });

  it("leaves a spec as it was given: the core knows the defaults", async () => {
    const { body } = await create({ image: "x" });
    expect(body.spec).toEqual({ image: "x" });
  });

  it("tells when to try again after a 429", async () => {
    deps.machines.refusal = new IsthmusError("TOO_MANY_REQUESTS", { what: "starts", value: 9, limit: 8 });
    const { status, headers } = await create({ image: "x" });
    deps.machines.refusal = undefined;
    expect([status, headers["retry-after"]]).toEqual([429, "1"]);
  });

  it("shows a fault of ours as INTERNAL and logs it with its cause", async () => {
    const fault = new TypeError("x is not a function");
    deps.machines.refusal = Object.assign(new IsthmusError("INTERNAL", { reason: "why" }, { cause: fault }));
    const { status, error } = await create({ image: "x" });
    deps.machines.refusal = undefined;
    expect([status, error.code]).toEqual([500, "INTERNAL"]);
    expect(deps.faults).toHaveLength(1);
  });

  it("removes with 204 and nothing", async () => {
    const { body } = await create({ image: "x" });
    expect(await ask("DELETE", `/v1/machines/${body.id}`)).toMatchObject({ status: 409 });
    const answer = await door.app.inject({ method: "DELETE", url: `/v1/machines/${body.id}?force=true` });
    expect([answer.statusCode, answer.body]).toEqual([204, ""]);
  });

  it("takes a JSON content type with an empty object where no body is wanted", async () => {
    const { body } = await create({ image: "x" });
    expect((await ask("POST", `/v1/machines/${body.id}/pause`, {})).status).toBe(200);
    expect((await ask("POST", `/v1/machines/${body.id}/rename`, { name: "other" })).body.name).toBe("other");
  });
});
