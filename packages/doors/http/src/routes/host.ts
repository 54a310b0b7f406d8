import { HostPressureSchema, HostStatusSchema, StorageUseSchema } from "@isthmus/contract/schemas";
import { storageUse } from "@isthmus/core";
import { permit } from "../access.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, failures } from "../schemas.ts";

export const hostRoutes: Routes = (app, { pressure, images }) => {
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
    `${API_PREFIX}/host/storage`,
    {
      config: permit.looksAtHost,
      schema: {
        tags: ["host"],
        summary: "What takes room on this host's disk, and what of it could go",
        response: { 200: StorageUseSchema, ...failures },
      },
    },
    async ({ machines }) => storageUse(images, machines),
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
