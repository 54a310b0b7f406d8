import { CloneSpecSchema, SnapshotListSchema, SnapshotSchema, SnapshotSpecSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { callSignal } from "../calls.ts";
import { PARAM_CHARS } from "../config.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, clonesAnswer, closed, failures, RefParams } from "../schemas.ts";

const CreateBody = closed({
  machine: Type.String({ minLength: 1, maxLength: PARAM_CHARS, description: "id, name, or a prefix of an id of a machine that runs" }),
  ...SnapshotSpecSchema.properties,
});

export const snapshotRoutes: Routes = (app, { machines }, { closing }) => {
  const tags = ["snapshots"];
  const url = `${API_PREFIX}/snapshots`;
  const { snapshots } = machines;
  const answer = { 200: SnapshotSchema, ...failures };

  app.get(
    url,
    { schema: { tags, summary: "List snapshots, newest first", response: { 200: SnapshotListSchema, ...failures } } },
    async () => ({ snapshots: [...(await snapshots.list())] }),
  );

  app.post(
    url,
    {
      schema: {
        tags,
        summary: "Take a snapshot of a running machine, which goes on",
        description: "Answers when memory, devices and disk are durable.",
        body: CreateBody,
        response: { 201: SnapshotSchema, ...failures },
      },
    },
    async ({ body: { machine, name } }, reply) => {
      const snapshot = await snapshots.create(machine, { name, signal: callSignal(reply, closing) });
      return reply.code(201).header("location", `${url}/${snapshot.id}`).send(snapshot);
    },
  );

  app.get(`${url}/:ref`, { schema: { tags, summary: "One snapshot", params: RefParams, response: answer } }, async ({ params }) =>
    snapshots.get(params.ref),
  );

  app.delete(
    `${url}/:ref`,
    { schema: { tags, summary: "Remove a snapshot; machines cloned from it go on", params: RefParams, response: answer } },
    async ({ params }) => snapshots.remove(params.ref),
  );

  app.post(
    `${url}/:ref/clone`,
    {
      schema: {
        tags,
        summary: "Clone machines from a snapshot",
        description: "All clones run when it answers, or there are none.",
        params: RefParams,
        body: CloneSpecSchema,
        response: clonesAnswer,
      },
    },
    async ({ params, body }, reply) => {
      const clones = await machines.clone({ snapshot: params.ref }, body, { signal: callSignal(reply, closing) });
      return reply.code(201).send({ machines: [...clones] });
    },
  );
};
