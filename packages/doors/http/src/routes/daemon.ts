import { DoctorReportSchema, VersionSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures, flag } from "../schemas.ts";

const HealthSchema = closed({ status: Type.Literal("ok") });

const DoctorQuery = closed({ probe: flag("find out anew what boots a guest here, which may take a minute; default false") });

export const daemonRoutes: Routes = (app, { version, doctor }) => {
  app.get(
    `${API_PREFIX}/version`,
    { config: permit.looks, schema: { tags: ["daemon"], summary: "What answers here", response: { 200: VersionSchema, ...failures } } },
    async ({ machines }) => ({ ...version(), machines: machines.counts() }),
  );

  app.get(
    `${API_PREFIX}/health`,
    {
      config: permit.looks,
      schema: { tags: ["daemon"], summary: "Whether the daemon works", response: { 200: HealthSchema, ...failures } },
    },
    async () => ({ status: "ok" as const }),
  );

  app.get(
    `${API_PREFIX}/doctor`,
    {
      config: permit.looksAtHost,
      schema: {
        tags: ["daemon"],
        summary: "What the host has and lacks",
        querystring: DoctorQuery,
        response: { 200: DoctorReportSchema, ...failures },
      },
    },
    async ({ query }) => doctor.report({ probe: query.probe ?? false }),
  );
};
