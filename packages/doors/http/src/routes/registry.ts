import { limits } from "@isthmus/contract";
import { ImageSchema, ProgressSchema, RegistryAuthSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { callSignal, sendLines } from "../calls.ts";
import type { Routes } from "../deps.ts";
import { followWork } from "../progress.ts";
import { API_PREFIX, closed, failures, media } from "../schemas.ts";
import { JSON_LINES_TYPE } from "../stream-body.ts";
import { publicPart } from "./images.ts";

const ref = Type.String({ minLength: 1, maxLength: limits.imageRefChars, description: "NAME, NAME:TAG or NAME@sha256:DIGEST" });
const Body = closed({ ref, auth: Type.Optional(RegistryAuthSchema) });
const PullLine = Type.Union([ProgressSchema, closed({ image: ImageSchema })]);
const PushLine = Type.Union([ProgressSchema, closed({ pushed: closed({ digest: Type.String() }) })]);
const description = "Progress as JSON lines, those of a layer with its short digest as item; the last one is the result, or an error.";

export const registryRoutes: Routes = (app, { images }, { closing }) => {
  const common = { tags: ["images"], description, body: Body };

  app.post(
    `${API_PREFIX}/images/pull`,
    {
      config: permit.worksOnHost,
      schema: {
        ...common,
        summary: "Get an image from its registry",
        response: { 200: media(JSON_LINES_TYPE, PullLine, description), ...failures },
      },
    },
    async ({ body }, reply) => {
      const signal = callSignal(reply, closing);
      const work = followWork(async (onProgress) => ({
        image: publicPart(await images.pull(body.ref, { auth: body.auth, onProgress, signal })),
      }));
      return sendLines(reply, work);
    },
  );

  app.post(
    `${API_PREFIX}/images/push`,
    {
      config: permit.worksOnHost,
      schema: {
        ...common,
        summary: "Send an image to the registry that its tag names",
        response: { 200: media(JSON_LINES_TYPE, PushLine, description), ...failures },
      },
    },
    async ({ body }, reply) => {
      const signal = callSignal(reply, closing);
      const work = followWork(async (onProgress) => ({ pushed: await images.push(body.ref, { auth: body.auth, onProgress, signal }) }));
      return sendLines(reply, work);
    },
  );
};
