import { HostPressureSchema } from "@isthmus/contract/schemas";
import type { Routes } from "../deps.ts";
import { API_PREFIX, failures } from "../schemas.ts";

export const hostRoutes: Routes = (app, { pressure }) => {
  app.get(
    `${API_PREFIX}/host/pressure`,
    {
      schema: {
        tags: ["host"],
        summary: "What is scarce on this host, and what each machine costs it",
        response: { 200: HostPressureSchema, ...failures },
      },
    },
    async () => pressure(),
  );
};
