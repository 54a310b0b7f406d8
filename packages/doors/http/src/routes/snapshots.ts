import { CloneSpecSchema, SnapshotListSchema, SnapshotSchema, SnapshotSpecSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { callSignal } from "../calls.ts";
import { PARAM_CHARS } from "../config.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, clonesAnswer, closed, failures, RefParams } from "../schemas.ts";

const CreateBody = closed({
  machine: Type.String({ minLength: 1, maxLength: PARAM_CHARS, description: "id, name, or a prefix of an id of a machine that runs" }),
  ...SnapshotSpecSchema.properties,
});

export const snapshotRoutes: Routes = (app, _deps, { closing }) => {
  const tags = ["snapshots"];
  const url = `${API_PREFIX}/snapshots`;
  const answer = { 200: SnapshotSchema, ...failures };

  app.get(
    url,
    { config: permit.looks, schema: { tags, summary: "List snapshots, newest first", response: { 200: SnapshotListSchema, ...failures } } },
    async ({ machines }) => ({ snapshots: [...(await machines.snapshots.list())] }),
  );

  app.post(
    url,
    {
      config: permit.works,
      schema: {
        tags,
        summary: "Take a snapshot of a running machine, which goes on",
        description: "Answers when memory, devices and disk are durable.",
        body: CreateBody,
        response: { 201: SnapshotSchema, ...failures },
      },
    },
    async ({ body: { machine, name }, machines }, reply) => {
      const snapshot = await machines.snapshots.create(machine, { name, signal: callSignal(reply, closing) });
      return reply.code(201).header("location", `${url}/${snapshot.id}`).send(snapshot);
    },
  );

  app.get(
    `${url}/:ref`,
    { config: permit.looks, schema: { tags, summary: "One snapshot", params: RefParams, response: answer } },
    async ({ params, machines }) => machines.snapshots.get(params.ref),
  );

  app.delete(
    `${url}/:ref`,
    {
      config: permit.works,
      schema: { tags, summary: "Remove a snapshot; machines cloned from it go on", params: RefParams, response: answer },
    },
    async ({ params, machines }) => machines.snapshots.remove(params.ref),
  );

  app.post(
    `${url}/:ref/clone`,
    {
      config: permit.works,
      schema: {
        tags,
        summary: "Clone machines from a snapshot",
        description: "All clones run when it answers, or there are none.",
        params: RefParams,
        body: CloneSpecSchema,
        response: clonesAnswer,
      },
    },
    async ({ params, body, machines }, reply) => {
      const clones = await machines.clone({ snapshot: params.ref }, body, { signal: callSignal(reply, closing) });
      return reply.code(201).send({ machines: [...clones] });
    },
  );
};
