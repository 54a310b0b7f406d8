import { IsthmusError } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { buildApp } from "../app.ts";
import { fakeDeps } from "../testing/fakes.ts";

describe("quotas over HTTP", () => {
  it("are set whole, told and taken away", async () => {
    const app = await buildApp(fakeDeps(), { closing: new AbortController().signal, sessions: 0 });
    const put = async (tenant: string, payload: object) => await app.inject({ method: "PUT", url: `/v1/quotas/${tenant}`, payload });
    expect((await put("team-a", { machines: 5, weight: 0.5 })).json()).toMatchObject({ tenant: "team-a", machines: 5, weight: 0.5 });
    expect((await put("team-a", { vcpus: 3 })).json()).not.toHaveProperty("machines");
    expect((await app.inject("/v1/quotas")).json().quotas).toHaveLength(1);
    expect((await app.inject("/v1/quotas/nobody")).json()).toMatchObject({ tenant: "nobody", weight: 1 });
    expect((await put("team-a", { weight: 0 })).json().error).toMatchObject({ code: "INVALID_REQUEST" });
    expect((await put("team-a", { machine: 1 })).json().error).toMatchObject({ code: "UNKNOWN_FIELD" });
    expect((await put("a%20b", {})).statusCode).toBe(400);
    expect((await app.inject({ method: "DELETE", url: "/v1/quotas/team-a" })).statusCode).toBe(200);
    expect((await app.inject({ method: "DELETE", url: "/v1/quotas/team-a" })).json().error.code).toBe("QUOTA_NOT_FOUND");
    await app.close();
  });
});

describe("a refusal for now", () => {
  it.each([
    ["LICENCE_SHORT", 429, { retryAfterS: 12.3 }, "13"],
    ["TOO_MANY_REQUESTS", 429, {}, "1"],
    ["QUOTA_REACHED", 429, { retryAfterMs: 2500 }, "3"],
    ["ENGINE_MISSING", 503, {}, "1"],
    ["NO_CAPACITY", 507, { retryAfterS: 5 }, undefined],
  ] as const)("%s says when to try again", async (code, status, details, seconds) => {
    const deps = fakeDeps();
    deps.machines.refusal = new IsthmusError(code, details);
    const app = await buildApp(deps, { closing: new AbortController().signal, sessions: 0 });
    const answer = await app.inject({ method: "POST", url: "/v1/machines", payload: { image: "busybox" } });
    expect([answer.statusCode, answer.headers["retry-after"]]).toEqual([status, seconds]);
    await app.close();
  });
});
