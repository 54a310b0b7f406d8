import { IsthmusError } from "@isthmus/contract";
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

async function ask(method: "GET" | "POST" | "PUT" | "DELETE", path: string, payload?: object) {
  const answer = await door.app.inject({ method, url: `/v1${path}`, ...(payload === undefined ? {} : { payload }) });
  const body = JSON.parse(answer.body);
  return { status: answer.statusCode, body, headers: answer.headers, code: body.error?.code, field: body.error?.details.field };
}

const matlab = { product: "matlab", metric: "per-machine", seats: 20 };

describe("licence pools", () => {
  it("are added, listed, shown, changed and removed", async () => {
    const added = await ask("POST", "/licences", matlab);
    expect(added).toMatchObject({ status: 201, body: { name: "matlab", seats: 20, limit: "hard" } });
    expect(added.headers.location).toBe("/v1/licences/matlab");
    expect(await ask("POST", "/licences", matlab)).toMatchObject({ status: 409, code: "LICENCE_POOL_TAKEN" });
    expect((await ask("GET", "/licences")).body).toEqual({ pools: [added.body] });
    expect(await ask("PUT", "/licences/matlab", { ...matlab, seats: 5 })).toMatchObject({ status: 200, body: { seats: 5 } });
    expect((await ask("GET", "/licences/matlab")).body.seats).toBe(5);
    expect(await ask("DELETE", "/licences/matlab?force=true")).toMatchObject({ status: 200, body: { name: "matlab" } });
    for (const method of ["GET", "DELETE"] as const)
      expect(await ask(method, "/licences/matlab")).toMatchObject({ status: 404, code: "LICENCE_POOL_NOT_FOUND" });
  });

  it("are refused with the field that is wrong", async () => {
    for (const [field, over] of [
      ["metric", { metric: "per-moon" }],
      ["seats", { seats: -1 }],
      ["seats", { seats: 1.5 }],
      ["product", { product: "a b" }],
      ["limit", { limit: "elastic" }],
      ["images.0", { images: [""] }],
      ["colour", { colour: 1 }],
    ] as const) {
      const answer = await ask("POST", "/licences", { ...matlab, ...over });
      expect(answer, field).toMatchObject({ status: 400, field });
    }
  });
});

describe("the report", () => {
  it("takes times in every form, a product and the wish for an audit", async () => {
    expect((await ask("GET", "/licences/report")).status).toBe(200);
    await ask("GET", "/licences/report?since=2026-01-01T00:00:00Z&until=1767312000&product=matlab&audit=true");
    expect(deps.machines.licences.reports).toEqual([
      { sinceMs: undefined, untilMs: undefined, product: undefined, audit: undefined },
      { sinceMs: Date.parse("2026-01-01T00:00:00Z"), untilMs: 1_767_312_000_000, product: "matlab", audit: true },
    ]);
    expect(await ask("GET", "/licences/report?until=later")).toMatchObject({ status: 400, field: "until" });
  });
});

describe("a start without a seat", () => {
  it("says when to try again", async () => {
    deps.machines.refusal = new IsthmusError("LICENCE_SHORT", {
      product: "matlab",
      needed: 1,
      free: 0,
      total: 20,
      reason: "held",
      pool: "matlab",
      retryAfterS: 42,
    });
    const answer = await ask("POST", "/machines", { image: "busybox" });
    expect([answer.status, answer.code, answer.headers["retry-after"]]).toEqual([429, "LICENCE_SHORT", "42"]);
  });
});
