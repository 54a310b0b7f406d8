import { limits } from "@isthmus/contract";
import { LicencePoolListSchema, LicencePoolSpecSchema, LicencePoolStatusSchema, LicenceReportSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { PARAM_CHARS } from "../config.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures, flag, SinceSchema } from "../schemas.ts";
import { parseSince } from "../since.ts";

const NameParams = closed({ name: Type.String({ minLength: 1, maxLength: PARAM_CHARS, description: "name of a pool" }) });
const ReportQuery = closed({
  since: SinceSchema,
  until: SinceSchema,
  product: Type.Optional(Type.String({ minLength: 1, maxLength: limits.productChars, description: "one product only" })),
  audit: flag("compare the event log with the machines and pools that there are; default false"),
});

export const licenceRoutes: Routes = (app) => {
  const tags = ["licences"];
  const url = `${API_PREFIX}/licences`;
  const answer = { 200: LicencePoolStatusSchema, ...failures };

  app.get(
    url,
    {
      config: permit.looksAtHost,
      schema: { tags, summary: "List licence pools with who holds their seats", response: { 200: LicencePoolListSchema, ...failures } },
    },
    async ({ machines }) => ({ pools: [...machines.licences.list()] }),
  );

  app.post(
    url,
    {
      config: permit.governsHost,
      schema: { tags, summary: "Add a licence pool", body: LicencePoolSpecSchema, response: { 201: LicencePoolStatusSchema, ...failures } },
    },
    async ({ body, machines }, reply) => {
      const pool = machines.licences.add(body);
      return reply
        .code(201)
        .header("location", `${url}/${encodeURIComponent(pool.name)}`)
        .send(pool);
    },
  );

  app.get(
    `${url}/report`,
    {
      config: permit.looksAtHost,
      schema: {
        tags,
        summary: "Who used what when, with high-water marks and forecasts",
        description: "Computed from the event log alone. Without since: the 30 days before until; without until: up to now.",
        querystring: ReportQuery,
        response: { 200: LicenceReportSchema, ...failures },
      },
    },
    async ({ query: { since, until, product, audit }, machines }) =>
      machines.licences.report({ sinceMs: parseSince(since), untilMs: parseSince(until, undefined, "until"), product, audit }),
  );

  app.get(
    `${url}/:name`,
    { config: permit.looksAtHost, schema: { tags, summary: "One licence pool", params: NameParams, response: answer } },
    async ({ params, machines }) => machines.licences.get(params.name),
  );

  app.put(
    `${url}/:name`,
    {
      config: permit.governsHost,
      schema: {
        tags,
        summary: "Add a licence pool or change the one of this name",
        description: "Product and metric stay; machines keep the seats that they hold.",
        params: NameParams,
        body: LicencePoolSpecSchema,
        response: answer,
      },
    },
    async ({ params, body, machines }) => machines.licences.replace(params.name, body),
  );

  app.delete(
    `${url}/:name`,
    {
      config: permit.governsHost,
      schema: {
        tags,
        summary: "Remove a licence pool",
        params: NameParams,
        querystring: closed({ force: flag("also while machines hold its seats; they keep running") }),
        response: answer,
      },
    },
    async ({ params, query, machines }) => machines.licences.remove(params.name, { force: query.force ?? false }),
  );
};
