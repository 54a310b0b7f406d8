import { type Image, limits } from "@isthmus/contract";
import { ImageHistorySchema, ImageSchema, ProgressSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { callSignal, sendLines, uploadOf } from "../calls.ts";
import type { Routes } from "../deps.ts";
import { followWork } from "../progress.ts";
import { API_PREFIX, closed, failures, flag, media } from "../schemas.ts";
import { JSON_LINES_TYPE } from "../stream-body.ts";

/** images in one archive */
const MAX_SAVED = 256;

const ref = Type.String({ minLength: 1, maxLength: limits.imageRefChars, description: "NAME, NAME:TAG or a digest" });
const words = (description: string) =>
  Type.Optional(Type.Array(Type.String({ maxLength: limits.processBytes }), { maxItems: limits.commandWords, description }));

const RefQuery = closed({ ref });
const RemoveQuery = closed({ ref, force: flag("even when machines use it; default false") });
const ImportQuery = closed({
  ref,
  command: words("the image's Cmd, a word each"),
  entrypoint: words("the image's Entrypoint, a word each"),
  env: words("K=V"),
  workdir: Type.Optional(Type.String({ maxLength: limits.pathChars, pattern: "^/[^\\u0000]*$" })),
  user: Type.Optional(Type.String({ maxLength: 255, pattern: "^[a-zA-Z0-9_.$-]*(:[a-zA-Z0-9_.$-]+)?$" })),
});
const LoadQuery = closed({ ref: Type.Optional(ref) });
const TagBody = closed({ source: ref, target: ref });
const PruneQuery = closed({ all: flag("those with a tag as well, but for the built-in one; default false") });
const SaveQuery = closed({ ref: Type.Array(ref, { minItems: 1, maxItems: MAX_SAVED }) });
const HistorySchema = closed({ history: Type.Array(ImageHistorySchema) });
const PrunedSchema = closed({ deleted: Type.Array(ImageSchema), freedBytes: Type.Number() });
const ImagesSchema = closed({ images: Type.Array(ImageSchema) });
const RemovalSchema = closed({ untagged: Type.Array(Type.String()), deleted: Type.Array(Type.String()) });
const ImportLine = Type.Union([ProgressSchema, closed({ image: ImageSchema })]);
const LoadLine = Type.Union([ProgressSchema, ImagesSchema]);

export const imageRoutes: Routes = (app, { images }) => {
  const tags = ["images"];
  const url = `${API_PREFIX}/images`;

  app.get(
    url,
    { config: permit.looks, schema: { tags, summary: "List images", response: { 200: ImagesSchema, ...failures } } },
    async () => ({
      images: (await images.list()).map(publicPart),
    }),
  );

  app.get(
    `${url}/inspect`,
    { config: permit.looks, schema: { tags, summary: "One image", querystring: RefQuery, response: { 200: ImageSchema, ...failures } } },
    async ({ query }) => publicPart(await images.resolve(query.ref)),
  );

  app.delete(
    url,
    {
      config: permit.worksOnHost,
      schema: { tags, summary: "Remove a tag or an image", querystring: RemoveQuery, response: { 200: RemovalSchema, ...failures } },
    },
    async ({ query, machines }) => {
      const removal = await images.remove(query.ref, { force: query.force, inUse: (digest) => machines.imageHolder(digest) });
      return { untagged: [...removal.untagged], deleted: [...removal.deleted] };
    },
  );

  app.post(
    `${url}/tag`,
    {
      config: permit.worksOnHost,
      schema: { tags, summary: "Give an image one more tag", body: TagBody, response: { 200: ImageSchema, ...failures } },
    },
    async ({ body }) => publicPart(await images.tag(body.source, body.target)),
  );

  app.get(
    `${url}/history`,
    {
      config: permit.looks,
      schema: {
        tags,
        summary: "The steps that made an image, newest first",
        querystring: RefQuery,
        response: { 200: HistorySchema, ...failures },
      },
    },
    async ({ query }) => ({ history: [...(await images.history(query.ref))] }),
  );

  app.post(
    `${url}/prune`,
    {
      config: permit.worksOnHost,
      schema: { tags, summary: "Remove images that nothing uses", querystring: PruneQuery, response: { 200: PrunedSchema, ...failures } },
    },
    async ({ query, machines }) => {
      const { deleted, freedBytes } = await images.prune({ all: query.all, inUse: (digest) => machines.imageHolder(digest) });
      return { deleted: [...deleted], freedBytes };
    },
  );

  app.get(
    `${url}/save`,
    {
      config: permit.worksOnHost,
      schema: {
        tags,
        summary: "Images as an OCI archive, which docker load reads too",
        querystring: SaveQuery,
        response: { 200: media("application/x-tar", Type.String({ format: "binary" }), "tar"), ...failures },
      },
    },
    async ({ query }, reply) => reply.header("content-type", "application/x-tar").send(await images.save(query.ref)),
  );
};

export const imageUploadRoutes: Routes = (app, { images }, { closing }) => {
  const consumes = ["application/x-tar", "application/gzip", "application/zstd"];
  const description = "Progress as JSON lines; the last one is the result, or an error.";
  const common = { tags: ["images"], description, consumes };

  app.post(
    `${API_PREFIX}/images/import`,
    {
      config: { upload: true, ...permit.worksOnHost },
      schema: {
        ...common,
        summary: "Make an image of a root file system in a tar archive",
        querystring: ImportQuery,
        response: { 200: media(JSON_LINES_TYPE, ImportLine, description), ...failures },
      },
    },
    async (request, reply) => {
      const signal = callSignal(reply, closing);
      const upload = uploadOf(request);
      const work = followWork(async (onProgress) => ({
        image: publicPart(await images.importTar(upload, { ...request.query, onProgress, signal })),
      }));
      return sendLines(reply, work);
    },
  );

  app.post(
    `${API_PREFIX}/images/load`,
    {
      config: { upload: true, ...permit.worksOnHost },
      schema: {
        ...common,
        summary: "Take in the images of an OCI or docker-save archive",
        querystring: LoadQuery,
        response: { 200: media(JSON_LINES_TYPE, LoadLine, description), ...failures },
      },
    },
    async (request, reply) => {
      const signal = callSignal(reply, closing);
      const upload = uploadOf(request);
      const work = followWork(async (onProgress) => ({
        images: await images.loadArchive(upload, { ...request.query, onProgress, signal }),
      }));
      return sendLines(reply, work);
    },
  );
};

/** Paths of the host are no part of an answer. */
export function publicPart(image: Image & { readonly rootfsPath?: string }): Image {
  const { rootfsPath: _hidden, ...rest } = image;
  return rest;
}
