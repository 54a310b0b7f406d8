import { type Static, Type } from "typebox";

/** The part of an OCI image config that a machine honours (image-spec v1.1, config.md). */
export const ImageConfigSchema = Type.Object(
  {
    entrypoint: Type.Array(Type.String()),
    cmd: Type.Array(Type.String()),
    env: Type.Array(Type.String(), { description: "K=V" }),
    workdir: Type.String(),
    user: Type.String(),
    exposedPorts: Type.Array(Type.String(), { description: "80/tcp" }),
    volumes: Type.Array(Type.String()),
    stopSignal: Type.Optional(Type.String()),
    labels: Type.Record(Type.String(), Type.String()),
  },
  { $id: "ImageConfig" },
);

export const ImageSchema = Type.Object(
  {
    digest: Type.String({ description: "sha256:… of the image manifest" }),
    tags: Type.Array(Type.String()),
    architecture: Type.String(),
    os: Type.String(),
    createdAt: Type.String({ description: "when it came into this store", format: "date-time" }),
    sizeBytes: Type.Integer({ description: "uncompressed content" }),
    rootfsBytes: Type.Integer({ description: "the read-only file-system image on disk" }),
    rootfsFormat: Type.Union([Type.Literal("squashfs"), Type.Literal("erofs")]),
    layers: Type.Array(Type.String(), { description: "digests, lowest first" }),
    config: ImageConfigSchema,
    builtIn: Type.Boolean(),
  },
  { $id: "Image" },
);

export const KernelSchema = Type.Object(
  {
    version: Type.String(),
    source: Type.Union([Type.Literal("configured"), Type.Literal("built"), Type.Literal("debian"), Type.Literal("host")]),
    path: Type.String(),
    sizeBytes: Type.Integer(),
    digest: Type.String(),
    selected: Type.Boolean({ description: "the one that new machines boot" }),
  },
  { $id: "Kernel" },
);

/** Progress of long work: lines of a stream that ends with `done` or `error`. */
export const ProgressSchema = Type.Object(
  {
    step: Type.String(),
    message: Type.Optional(Type.String()),
    doneBytes: Type.Optional(Type.Number()),
    totalBytes: Type.Optional(Type.Number()),
    percent: Type.Optional(Type.Number()),
  },
  { $id: "Progress" },
);

/** What an image says about running it. */
export type ImageConfig = Static<typeof ImageConfigSchema>;
/** An image in the local store. */
export type Image = Static<typeof ImageSchema>;
/** A guest kernel on this host. */
export type Kernel = Static<typeof KernelSchema>;
/** A step of long work. */
export type Progress = Static<typeof ProgressSchema>;
