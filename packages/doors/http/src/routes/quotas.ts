import { namePattern, QuotaListSchema, QuotaSchema, QuotaSpecSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures } from "../schemas.ts";

const TenantParams = closed({ tenant: Type.String({ pattern: namePattern }) });

export const quotaRoutes: Routes = (app) => {
  const tags = ["quotas"];
  const url = `${API_PREFIX}/quotas`;
  const one = (summary: string) => ({ tags, summary, params: TenantParams, response: { 200: QuotaSchema, ...failures } });

  app.get(
    url,
    {
      config: permit.looks,
      schema: {
        tags,
        summary: "What tenants may have, and have",
        description: "Those that were given a quota, and those that have machines.",
        response: { 200: QuotaListSchema, ...failures },
      },
    },
    async ({ machines }) => ({ quotas: [...machines.quotas.list()] }),
  );

  app.get(
    `${url}/:tenant`,
    { config: permit.looks, schema: one("What a tenant may have, and has; also of one without a quota") },
    async ({ params, machines }) => machines.quotas.get(params.tenant),
  );

  app.put(
    `${url}/:tenant`,
    { config: permit.governsHost, schema: { ...one("Say what a tenant may have; what is absent is not limited"), body: QuotaSpecSchema } },
    async ({ params, body, machines }) => machines.quotas.set(params.tenant, body),
  );

  app.delete(
    `${url}/:tenant`,
    { config: permit.governsHost, schema: one("Take a tenant's quota away: it has the host's from then on") },
    async ({ params, machines }) => machines.quotas.remove(params.tenant),
  );
};
