import { API_PREFIX } from "@isthmus/contract";
import type { FastifyInstance } from "fastify";
import { permit } from "./access.ts";
import type { RouteTable } from "./route-table.ts";

/** Serves the OpenAPI 3.1 document of all that is in `table` at `/v1/openapi.json`. It is made, and what makes it loaded, when it is first asked for. */
export function addOpenApi(app: FastifyInstance, table: RouteTable): void {
  let document: Promise<string> | undefined;
  app.get(`${API_PREFIX}/openapi.json`, { config: permit.looks, schema: { hide: true } }, async (_request, reply) => {
    document ??= import("./openapi-document.ts").then(({ describeRoutes }) => describeRoutes(table.routes));
    return reply.header("content-type", "application/json; charset=utf-8").send(await document);
  });
}
