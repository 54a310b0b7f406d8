import { limits } from "@isthmus/contract";
import { namePattern, VolumeListSchema, VolumeSchema, VolumeSpecSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { callSignal, uploadOf } from "../calls.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures, flag, media } from "../schemas.ts";

const NameParams = closed({ name: Type.String({ pattern: namePattern }) });
const ImportQuery = closed({
  sizeBytes: VolumeSpecSchema.properties.sizeBytes,
  tenant: VolumeSpecSchema.properties.tenant,
  label: Type.Optional(
    Type.Array(Type.String({ maxLength: limits.labelKeyChars + 1 + limits.labelValueChars }), {
      maxItems: limits.labels,
      description: "KEY=VALUE",
    }),
  ),
});
const TAR_TYPE = "application/x-tar";
const bytes = Type.String({ format: "binary" });
const tags = ["volumes"];
const url = `${API_PREFIX}/volumes`;

export const volumeRoutes: Routes = (app, _deps, { closing }) => {
  const one = (summary: string) => ({ tags, summary, params: NameParams, response: { 200: VolumeSchema, ...failures } });

  app.get(
    url,
    {
      config: permit.looks,
      schema: {
        tags,
        summary: "List volumes that the caller may use, and which machines mount them",
        response: { 200: VolumeListSchema, ...failures },
      },
    },
    async ({ machines }) => ({
      volumes: [...(await machines.volumes.list())],
    }),
  );

  app.post(
    url,
    {
      config: permit.works,
      schema: { tags, summary: "Make an empty volume", body: VolumeSpecSchema, response: { 201: VolumeSchema, ...failures } },
    },
    async ({ body, machines }, reply) => {
      const volume = await machines.volumes.create(body);
      return reply.code(201).header("location", `${url}/${volume.name}`).send(volume);
    },
  );

  app.post(
    `${url}/prune`,
    {
      config: permit.works,
      schema: {
        tags,
        summary: "Remove anonymous volumes that no machine names",
        querystring: closed({ all: flag("those with names too; default false") }),
        response: { 200: VolumeListSchema, ...failures },
      },
    },
    async ({ query, machines }) => ({ volumes: [...(await machines.volumes.prune({ all: query.all }))] }),
  );

  app.get(`${url}/:name`, { config: permit.looks, schema: one("One volume") }, async ({ params, machines }) =>
    machines.volumes.get(params.name),
  );

  app.delete(
    `${url}/:name`,
    { config: permit.works, schema: one("Remove a volume that no machine names, with what is in it") },
    async ({ params, machines }) => machines.volumes.remove(params.name),
  );

  app.get(
    `${url}/:name/archive`,
    {
      config: permit.works,
      schema: {
        tags,
        summary: "What is in a volume, as a tar archive",
        description: "Read by a guest that is booted for it.",
        params: NameParams,
        response: { 200: media(TAR_TYPE, bytes, "tar"), ...failures },
      },
    },
    async ({ params, machines }, reply) => {
      const archive = await machines.volumes.export(params.name, { signal: callSignal(reply, closing) });
      return reply.header("content-type", TAR_TYPE).send(archive);
    },
  );
};

export const volumeUploadRoutes: Routes = (app, _deps, { closing }) => {
  app.put(
    `${url}/:name/archive`,
    {
      config: { upload: true, ...permit.works },
      schema: {
        tags,
        summary: "Make a volume of what is in a tar archive",
        description: "There is no such volume before; it is there whole afterwards, or not at all.",
        params: NameParams,
        querystring: ImportQuery,
        consumes: [TAR_TYPE],
        response: { 201: VolumeSchema, ...failures },
      },
    },
    async (request, reply) => {
      const { sizeBytes, tenant, label = [] } = request.query;
      const labels = Object.fromEntries(label.map(keyAndValue));
      const spec = { name: request.params.name, sizeBytes, labels, tenant };
      const volume = await request.machines.volumes.import(spec, uploadOf(request), { signal: callSignal(reply, closing) });
      return reply.code(201).send(volume);
    },
  );
};

function keyAndValue(text: string): [key: string, value: string] {
  const cut = text.indexOf("=");
  return cut < 0 ? [text, ""] : [text.slice(0, cut), text.slice(cut + 1)];
}
