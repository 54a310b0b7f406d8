import { Type } from "typebox";
import { permit } from "../access.ts";
import type { Routes } from "../deps.ts";
import { failures, media } from "../schemas.ts";

export const metricsRoutes: Routes = (app, { metrics }) => {
  app.get(
    "/metrics",
    {
      config: permit.looksAtHost,
      schema: {
        tags: ["host"],
        summary: "Figures of host, machines, queue and daemon, as Prometheus reads them",
        response: { 200: media("text/plain", Type.String(), "text format 0.0.4"), ...failures },
      },
    },
    async (_request, reply) => reply.header("content-type", metrics.contentType).send(metrics.text()),
  );
};
