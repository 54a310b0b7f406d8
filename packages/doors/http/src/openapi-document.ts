import swagger from "@fastify/swagger";
import * as schemas from "@isthmus/contract/schemas";
import fastify from "fastify";
import manifest from "../package.json" with { type: "json" };
import type { DescribedRoute } from "./route-table.ts";

/** The schemas that have a name, by that name. */
const named = new Map<string, object>();
for (const schema of Object.values(schemas)) {
  if (typeof schema === "object" && "$id" in schema && typeof schema.$id === "string") named.set(schema.$id, schema);
}

/** A copy of `schema` in which every named schema within is a reference to its component. */
function withReferences(schema: unknown, top: boolean): unknown {
  if (Array.isArray(schema)) return schema.map((item) => withReferences(item, false));
  if (typeof schema !== "object" || schema === null) return schema;
  const id: unknown = "$id" in schema ? schema.$id : undefined;
  if (!top && typeof id === "string") return { $ref: `${id}#` };
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => key !== "$id")
      .map(([key, value]) => [key, withReferences(value, false)]),
  );
}

/** The OpenAPI 3.1 document of these routes, as JSON. */
export async function describeRoutes(routes: readonly DescribedRoute[]): Promise<string> {
  // An application that answers nothing: what describes routes is not kept beside those that serve.
  const app = fastify({ logger: false, exposeHeadRoutes: false });
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  for (const [id, schema] of named) app.addSchema({ $id: id, ...Object(withReferences(schema, true)) });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Isthmus",
        version: manifest.version,
        description: "Machines, images and kernels of one host. Errors are one object, ErrorBody.",
      },
      components: {
        securitySchemes: {
          token: { type: "http", scheme: "bearer", description: "asked for over TCP; on the Unix socket it lessens the rights" },
        },
      },
      security: [{ token: [] }, {}],
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, index) => String(json.$id ?? `def-${index}`) },
    transform: ({ schema, url }) => ({ schema: Object(withReferences(schema, false)), url }),
  });
  for (const { method, url, schema, config } of routes) {
    const permission = config?.permission;
    app.route({ method, url, schema: { ...schema, ...(permission && { "x-permission": permission }) }, handler: async () => undefined });
  }
  await app.ready();
  const document = JSON.stringify(app.swagger());
  await app.close();
  return document;
}
