import { limits } from "@isthmus/contract";
import { MachineSpecSchema, TemplateListSchema, TemplateSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { callSignal } from "../calls.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures } from "../schemas.ts";

const KeyParams = closed({ key: Type.String({ pattern: "^[0-9a-f]{4,64}$", description: "key, or its first characters" }) });
const PruneQuery = closed({
  unusedMs: Type.Optional(
    Type.Integer({ minimum: 0, maximum: limits.ttlMaxMs, description: "only those unused for so long; default 0: all" }),
  ),
});

export const templateRoutes: Routes = (app, { machines }, { closing }) => {
  const tags = ["templates"];
  const url = `${API_PREFIX}/templates`;
  const { templates } = machines;

  app.get(
    url,
    { schema: { tags, summary: "List templates, last used first", response: { 200: TemplateListSchema, ...failures } } },
    async () => ({
      templates: [...(await templates.list())],
    }),
  );

  app.post(
    url,
    {
      schema: {
        tags,
        summary: "Make the template that machines of a spec are cloned from",
        description: "Answers at once when there is one.",
        body: MachineSpecSchema,
        response: { 200: TemplateSchema, ...failures },
      },
    },
    async ({ body }, reply) => templates.warm(body, callSignal(reply, closing)),
  );

  app.delete(
    `${url}/:key`,
    {
      schema: {
        tags,
        summary: "Remove a template; machines cloned from it go on",
        params: KeyParams,
        response: { 200: TemplateSchema, ...failures },
      },
    },
    async ({ params }) => templates.remove(params.key),
  );

  app.post(
    `${url}/prune`,
    {
      schema: {
        tags,
        summary: "Remove templates that are not used",
        querystring: PruneQuery,
        response: { 200: TemplateListSchema, ...failures },
      },
    },
    async ({ query }) => ({ templates: [...(await templates.prune(query.unusedMs ?? 0))] }),
  );
};
