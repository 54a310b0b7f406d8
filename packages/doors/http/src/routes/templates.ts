import { limits } from "@isthmus/contract";
import { MachineSpecSchema, TemplateListSchema, TemplateSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { callSignal } from "../calls.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures } from "../schemas.ts";

const KeyParams = closed({ key: Type.String({ pattern: "^[0-9a-f]{4,64}$", description: "key, or its first characters" }) });
const PruneQuery = closed({
  unusedMs: Type.Optional(
    Type.Integer({ minimum: 0, maximum: limits.ttlMaxMs, description: "only those unused for so long; default 0: all" }),
  ),
});

export const templateRoutes: Routes = (app, _deps, { closing }) => {
  const tags = ["templates"];
  const url = `${API_PREFIX}/templates`;

  app.get(
    url,
    {
      config: permit.looksAtHost,
      schema: { tags, summary: "List templates, last used first", response: { 200: TemplateListSchema, ...failures } },
    },
    async ({ machines }) => ({
      templates: [...(await machines.templates.list())],
    }),
  );

  app.post(
    url,
    {
      config: permit.worksOnHost,
      schema: {
        tags,
        summary: "Make the template that machines of a spec are cloned from",
        description: "Answers at once when there is one.",
        body: MachineSpecSchema,
        response: { 200: TemplateSchema, ...failures },
      },
    },
    async ({ body, machines }, reply) => machines.templates.warm(body, callSignal(reply, closing)),
  );

  app.delete(
    `${url}/:key`,
    {
      config: permit.worksOnHost,
      schema: {
        tags,
        summary: "Remove a template; machines cloned from it go on",
        params: KeyParams,
        response: { 200: TemplateSchema, ...failures },
      },
    },
    async ({ params, machines }) => machines.templates.remove(params.key),
  );

  app.post(
    `${url}/prune`,
    {
      config: permit.worksOnHost,
      schema: {
        tags,
        summary: "Remove templates that are not used",
        querystring: PruneQuery,
        response: { 200: TemplateListSchema, ...failures },
      },
    },
    async ({ query, machines }) => ({ templates: [...(await machines.templates.prune(query.unusedMs ?? 0))] }),
  );
};
