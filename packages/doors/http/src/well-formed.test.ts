import type { RouteOptions } from "fastify";
import { describe, expect, it } from "vitest";
import { buildApp } from "./app.ts";
import { fakeDeps } from "./testing/fakes.ts";
import { checkWellFormed } from "./well-formed.ts";

async function setUp() {
  const routes: RouteOptions[] = [];
  const deps = fakeDeps();
  const app = await buildApp(deps, { closing: new AbortController().signal, sessions: 0 }, { onRoute: (route) => routes.push(route) });
  const post = (url: string, body: string) =>
    app.inject({ method: "POST", url, headers: { "content-type": "application/json" }, payload: body });
  return { app, deps, routes, post, [Symbol.asyncDispose]: () => app.close() };
}

const refused = (field: string, half: string) => ({
  error: { code: "INVALID_REQUEST", details: { field, value: `"${half}"`, reason: expect.stringContaining("surrogate pair") } },
});

describe("half of a surrogate pair", () => {
  it("is refused in the name of a licence pool, which was a fault of ours", async () => {
    await using t = await setUp();
    const answer = await t.post("/v1/licences", '{"name": "\\ud800", "product": "x", "metric": "machines", "seats": 1}');
    expect([answer.statusCode, answer.json()]).toMatchObject([400, refused("name", "\\ud800")]);
    expect(t.deps.faults).toEqual([]);
  });

  it("is refused wherever a body has it, names of fields included, without what stands around it", async () => {
    await using t = await setUp();
    for (const [body, field, half] of [
      ['{"image": "x", "command": ["sh", "secret\\udfff"]}', "command.1", "\\udfff"],
      ['{"image": "x", "env": {"A": "\\ud83d"}}', "env.A", "\\ud83d"],
      ['{"image": "x", "labels": {"\\udc00\\ud800": "b"}}', "labels.\\\\udc00\\\\ud800", "\\udc00"],
    ] as const) {
      const answer = await t.post("/v1/machines", body);
      expect([answer.statusCode, answer.json()]).toMatchObject([400, refused(field.replaceAll("\\\\", "\\"), half)]);
      expect(answer.body).not.toContain("secret");
    }
    expect((await t.post("/v1/machines", '{"image": "x", "labels": {"a": "\\ud83d\\ude00"}}')).statusCode).toBe(201);
  });

  it("is refused by each route that takes a body", async () => {
    await using t = await setUp();
    const taking = t.routes.filter((route) => route.schema?.body !== undefined);
    expect(taking.length).toBeGreaterThan(10);
    for (const { method, url } of taking) {
      const payload = '{"x": "\\ud800"}';
      const answer = await t.app.inject({
        method: method as "POST",
        url: url.replaceAll(/:\w+/g, "x"),
        headers: { "content-type": "application/json" },
        payload,
      });
      expect(answer.json(), `${method} ${url}`).toMatchObject(refused("x", "\\ud800"));
    }
  });

  it("is found in queries and paths too, and at any depth", () => {
    expect(() => checkWellFormed("query", { label: ["a", "\ud800"] })).toThrow("label.1 is not valid");
    expect(() => checkWellFormed("params", { ref: "\udc00" })).toThrow("ref is not valid");
    expect(() => checkWellFormed("body", "\udc00")).toThrow("body is not valid");
    const deep = (text: string) => JSON.parse(`${"[".repeat(200_000)}"${text}"${"]".repeat(200_000)}`);
    expect(() => checkWellFormed("body", deep("\\ud800"))).toThrow("0.0.0.0.0.0.0.0 is not valid");
    expect(() => checkWellFormed("body", deep("\u{1f600}"))).not.toThrow();
  });
});
