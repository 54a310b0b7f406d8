import { HostPressureSchema, HostStatusSchema } from "@isthmus/contract/schemas";
import { permit } from "../access.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, failures } from "../schemas.ts";

export const hostRoutes: Routes = (app, { pressure }) => {
  app.get(
    `${API_PREFIX}/host/pressure`,
    {
      config: permit.looksAtHost,
      schema: {
        tags: ["host"],
        summary: "What is scarce on this host, and what each machine costs it",
        response: { 200: HostPressureSchema, ...failures },
      },
    },
    async () => pressure(),
  );

  app.get(
    `${API_PREFIX}/host`,
    {
      config: permit.looksAtHost,
      schema: {
        tags: ["host"],
        summary: "Every limit of this host with what is used of it, the queue of starts, and licence seats",
        response: { 200: HostStatusSchema, ...failures },
      },
    },
    async ({ machines }) => machines.host.status(),
  );
};
