import { namePattern, SecretListSchema, SecretSchema, SecretSpecSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { PARAM_CHARS } from "../config.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures } from "../schemas.ts";

const NameParams = closed({ name: Type.String({ minLength: 1, maxLength: PARAM_CHARS, description: "name of a secret" }) });
const TenantQuery = closed({
  tenant: Type.Optional(Type.String({ pattern: namePattern, description: "whose it is; the caller's, or default" })),
});

export const secretRoutes: Routes = (app) => {
  const tags = ["secrets"];
  const url = `${API_PREFIX}/secrets`;

  app.get(
    url,
    {
      config: permit.looks,
      schema: { tags, summary: "List secrets; nothing tells their values", response: { 200: SecretListSchema, ...failures } },
    },
    async ({ machines, caller }) => ({ secrets: [...machines.secrets.list(caller)] }),
  );

  app.post(
    url,
    {
      config: permit.works,
      schema: {
        tags,
        summary: "Keep a secret for machines of a tenant",
        body: SecretSpecSchema,
        response: { 201: SecretSchema, ...failures },
      },
    },
    async ({ body, machines, caller }, reply) => reply.code(201).send(machines.secrets.create(body, caller)),
  );

  app.delete(
    `${url}/:name`,
    {
      config: permit.works,
      schema: {
        tags,
        summary: "Remove a secret that no machine is given",
        params: NameParams,
        querystring: TenantQuery,
        response: { 200: SecretSchema, ...failures },
      },
    },
    async ({ params, query, machines, caller }) => machines.secrets.remove(params.name, caller, query.tenant),
  );
};
