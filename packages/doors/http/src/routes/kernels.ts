import { KernelSchema, ProgressSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { callSignal, sendLines } from "../calls.ts";
import type { Routes } from "../deps.ts";
import { followWork } from "../progress.ts";
import { API_PREFIX, closed, failures, media } from "../schemas.ts";
import { JSON_LINES_TYPE } from "../stream-body.ts";

const KernelsSchema = closed({ kernels: Type.Array(KernelSchema) });
const KernelLine = Type.Union([ProgressSchema, closed({ kernel: KernelSchema })]);

export const kernelRoutes: Routes = (app, { kernels }, { closing }) => {
  const tags = ["kernels"];
  const description = "Progress as JSON lines; the last one is the kernel, or an error.";
  const response = { 200: media(JSON_LINES_TYPE, KernelLine, description), ...failures };

  app.get(
    `${API_PREFIX}/kernels`,
    { config: permit.looks, schema: { tags, summary: "List guest kernels", response: { 200: KernelsSchema, ...failures } } },
    async () => ({ kernels: [...(await kernels.list())] }),
  );

  app.post(
    `${API_PREFIX}/kernels/fetch`,
    { config: permit.worksOnHost, schema: { tags, summary: "Download Debian's cloud kernel", description, response } },
    async (_request, reply) => {
      const signal = callSignal(reply, closing);
      return sendLines(
        reply,
        followWork(async (onProgress) => ({ kernel: await kernels.fetch(onProgress, signal) })),
      );
    },
  );

  app.post(
    `${API_PREFIX}/kernels/build`,
    { config: permit.worksOnHost, schema: { tags, summary: "Build a small kernel from Debian's sources", description, response } },
    async (_request, reply) => {
      const signal = callSignal(reply, closing);
      return sendLines(
        reply,
        followWork(async (onProgress) => ({ kernel: await kernels.build(onProgress, signal) })),
      );
    },
  );
};
