import { limits } from "@isthmus/contract";
import { FileChangesSchema, MachineProcessesSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { callSignal, uploadOf } from "../calls.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures, media, nothing, RefParams } from "../schemas.ts";

const PathQuery = closed({
  path: Type.String({ minLength: 1, maxLength: limits.pathChars, pattern: "^/[^\\u0000]*$", description: "absolute, in the machine" }),
});
const StatSchema = closed({
  type: Type.Union([Type.Literal("file"), Type.Literal("directory"), Type.Literal("symlink"), Type.Literal("other")]),
  size: Type.Number({ description: "bytes" }),
  mode: Type.Number({ description: "permission bits" }),
  target: Type.Optional(Type.String({ description: "where a symbolic link points" })),
});
const TAR_TYPE = "application/x-tar";
const bytes = Type.String({ format: "binary" });

export const archiveRoutes: Routes = (app, _deps, { closing }) => {
  const url = `${API_PREFIX}/machines/:ref/archive`;
  const common = { tags: ["machines"], params: RefParams, querystring: PathQuery };

  app.get(
    url,
    {
      config: permit.works,
      schema: { ...common, summary: "A path as a tar archive", response: { 200: media(TAR_TYPE, bytes, "tar"), ...failures } },
    },
    async ({ params, query, machines }, reply) => {
      const archive = await machines.getArchive(params.ref, query.path, callSignal(reply, closing));
      return reply.header("content-type", TAR_TYPE).send(archive);
    },
  );

  app.put(
    url,
    {
      config: { upload: true, ...permit.works },
      schema: {
        ...common,
        summary: "Unpack a tar archive into a folder",
        consumes: [TAR_TYPE],
        response: { 204: nothing("it is unpacked"), ...failures },
      },
    },
    async (request, reply) => {
      await request.machines.putArchive(request.params.ref, request.query.path, uploadOf(request), callSignal(reply, closing));
      return reply.code(204).send(undefined);
    },
  );

  const looked = { tags: ["machines"], params: RefParams };
  app.get(
    `${API_PREFIX}/machines/:ref/processes`,
    {
      config: permit.looks,
      schema: { ...looked, summary: "A machine's processes", response: { 200: MachineProcessesSchema, ...failures } },
    },
    async ({ params, machines }) => ({ processes: [...(await machines.processes(params.ref))] }),
  );

  app.get(
    `${API_PREFIX}/machines/:ref/changes`,
    {
      config: permit.works,
      schema: {
        ...looked,
        summary: "What a machine's disk has otherwise than its image; of one that has ended, too",
        response: { 200: FileChangesSchema, ...failures },
      },
    },
    async ({ params, machines }) => ({ changes: [...(await machines.changes(params.ref))] }),
  );

  app.get(
    `${API_PREFIX}/machines/:ref/path`,
    { config: permit.works, schema: { ...common, summary: "What a path is", response: { 200: StatSchema, ...failures } } },
    async ({ params, query, machines }) => machines.statPath(params.ref, query.path),
  );
};
