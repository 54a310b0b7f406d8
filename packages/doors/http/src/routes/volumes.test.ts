import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHttpDoor, type HttpDoor } from "../door.ts";
import { fakeDeps } from "../testing/fakes.ts";

let deps: ReturnType<typeof fakeDeps>;
let door: HttpDoor;
beforeEach(async () => {
  deps = fakeDeps();
  door = await createHttpDoor(deps);
});
afterEach(() => door.close());

async function ask(method: "GET" | "POST" | "PUT" | "DELETE", path: string, payload?: object | string) {
  const headers = typeof payload === "string" ? { "content-type": "application/x-tar" } : {};
  const answer = await door.app.inject({ method, url: `/v1${path}`, headers, ...(payload === undefined ? {} : { payload }) });
  const json = answer.headers["content-type"]?.includes("json") === true;
  const body = json ? JSON.parse(answer.body) : answer.body;
  return { status: answer.statusCode, body, headers: answer.headers, code: json ? body.error?.code : undefined };
}

describe("volumes", () => {
  it("are made, listed, shown, removed and pruned", async () => {
    const made = await ask("POST", "/volumes", { name: "data", sizeBytes: 64 * 1024 * 1024, labels: { a: "b" } });
    expect(made).toMatchObject({ status: 201, body: { name: "data", labels: { a: "b" } } });
    expect(made.headers.location).toBe("/v1/volumes/data");
    const anonymous = await ask("POST", "/volumes", {});
    expect((await ask("GET", "/volumes")).body.volumes).toHaveLength(2);
    expect((await ask("GET", "/volumes/data")).body).toEqual(made.body);
    expect((await ask("POST", "/volumes/prune")).body).toEqual({ volumes: [anonymous.body] });
    expect(await ask("DELETE", "/volumes/data")).toMatchObject({ status: 200, body: made.body });
    expect(await ask("GET", "/volumes/data")).toMatchObject({ status: 404, code: "VOLUME_NOT_FOUND" });
  });

  it("are prune's with names only when all are asked for", async () => {
    await ask("POST", "/volumes", { name: "data" });
    expect((await ask("POST", "/volumes/prune")).body).toEqual({ volumes: [] });
    expect((await ask("POST", "/volumes/prune?all=true")).body.volumes).toHaveLength(1);
  });

  it("go out and come in as tar archives", async () => {
    const made = await ask("PUT", "/volumes/copy/archive?sizeBytes=33554432&label=a=b=c&label=d", "the archive");
    expect(made).toMatchObject({ status: 201, body: { name: "copy", sizeBytes: 33_554_432, labels: { a: "b=c", d: "" } } });
    const out = await ask("GET", "/volumes/copy/archive");
    expect([out.status, out.headers["content-type"], out.body]).toEqual([200, "application/x-tar", "the archive"]);
    expect(await ask("PUT", "/volumes/copy/archive", "another")).toMatchObject({ status: 409, code: "VOLUME_EXISTS" });
    expect(await ask("GET", "/volumes/nothing/archive")).toMatchObject({ status: 404, code: "VOLUME_NOT_FOUND" });
  });

  it.each([
    ["POST", "/volumes", { nmae: "x" }, "UNKNOWN_FIELD"],
    ["POST", "/volumes", { sizeBytes: 1 }, "INVALID_REQUEST"],
    ["POST", "/volumes", { name: 1 }, "INVALID_REQUEST"],
    ["POST", "/volumes/prune?everything=true", undefined, "UNKNOWN_FIELD"],
    ["GET", "/volumes/..%2fx", undefined, "INVALID_REQUEST"],
    ["POST", "/machines", { image: "x", mounts: [{ type: "volume" }] }, "INVALID_REQUEST"],
    ["POST", "/machines", { image: "x", mounts: [{ type: "volume", path: "data" }] }, "INVALID_REQUEST"],
    ["POST", "/machines", { image: "x", mounts: [{ type: "volume", path: "/x", ro: true }] }, "UNKNOWN_FIELD"],
  ] as const)("refuse %s %s %o", async (method, path, body, code) => {
    expect(await ask(method, path, body)).toMatchObject({ status: 400, code });
  });
});

it("hands on that a removal takes volumes along", async () => {
  await deps.machines.create({ image: "busybox", name: "web" });
  expect((await ask("DELETE", "/machines/web?volumes=true")).status).toBe(204);
  expect(deps.machines.removals).toEqual([{ force: false, volumes: true }]);
});
