import type { RouteOptions } from "fastify";
import { describe, expect, it } from "vitest";
import { buildApp } from "./app.ts";
import { fakeDeps } from "./testing/fakes.ts";

interface Operation {
  readonly summary?: string;
  readonly responses: Readonly<Record<string, unknown>>;
  readonly parameters?: readonly { readonly name: string; readonly schema?: unknown }[];
}

async function setUp() {
  const routes: RouteOptions[] = [];
  const app = await buildApp(
    fakeDeps(),
    { closing: new AbortController().signal, sessions: 0 },
    { onRoute: (route) => routes.push(route) },
  );
  const answer = await app.inject("/v1/openapi.json");
  const document: { openapi: string; paths: Record<string, Record<string, Operation>>; components: { schemas: object } } = answer.json();
  return { routes, document, text: answer.body, [Symbol.asyncDispose]: () => app.close() };
}

describe("the OpenAPI document", () => {
  it("lists every route with a summary, an answer and the error's form", async () => {
    await using t = await setUp();
    expect(t.document.openapi).toBe("3.1.0");
    const operations = Object.entries(t.document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
    );
    expect(operations.length).toBeGreaterThanOrEqual(30);
    for (const { name, operation } of operations) {
      expect(operation.summary, name).toBeTruthy();
      expect(Object.keys(operation.responses), name).toEqual(expect.arrayContaining(["4XX", "5XX"]));
      expect(
        Object.keys(operation.responses).some((status) => /^[12]/.test(status)),
        name,
      ).toBe(true);
      for (const word of name.matchAll(/\{(\w+)\}/g))
        expect(
          operation.parameters?.map((parameter) => parameter.name),
          name,
        ).toContain(word[1]);
    }
  });

  it("leaves out no route that the application has, and each has a schema", async () => {
    await using t = await setUp();
    const own = t.routes.filter((route) => route.url !== "/v1/openapi.json");
    expect(own.length).toBeGreaterThanOrEqual(30);
    for (const route of own) {
      const path = route.url.replace(/:(\w+)/g, "{$1}");
      const method = String(route.method).toLowerCase();
      expect(route.schema?.response, `${method} ${path}`).toBeDefined();
      expect(t.document.paths[path]?.[method], `${method} ${path}`).toBeDefined();
    }
  });

  it("points at components that are there", async () => {
    await using t = await setUp();
    const named = Object.keys(t.document.components.schemas);
    expect(named).toEqual(expect.arrayContaining(["Machine", "MachineSpec", "Image", "Event", "ErrorBody"]));
    for (const [, name] of t.text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) expect(named).toContain(name);
    expect(t.text.match(/"\$ref":"(?!#\/components\/schemas\/)/)).toBeNull();
  });
});
