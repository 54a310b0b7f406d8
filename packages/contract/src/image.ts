import { type Static, Type } from "typebox";

/** `HEALTHCHECK` of a Dockerfile, as docker keeps it in an image's config; what it leaves out is absent. */
export const ImageHealthcheckSchema = Type.Object({
  test: Type.Array(Type.String(), { description: "NONE, or CMD with words, or CMD-SHELL with a line for the shell" }),
  intervalMs: Type.Optional(Type.Number()),
  timeoutMs: Type.Optional(Type.Number()),
  startPeriodMs: Type.Optional(Type.Number()),
  startIntervalMs: Type.Optional(Type.Number()),
  retries: Type.Optional(Type.Integer()),
});

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
    healthcheck: Type.Optional(ImageHealthcheckSchema),
    labels: Type.Record(Type.String(), Type.String()),
  },
  { $id: "ImageConfig" },
);

export const ImageSchema = Type.Object(
  {
    digest: Type.String({ description: "sha256:… of the image manifest" }),
    tags: Type.Array(Type.String()),
    repoDigests: Type.Optional(
      Type.Array(Type.String(), { description: "NAME@sha256:…: what it was pulled or pushed as, of the manifest or of an index above it" }),
    ),
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
    item: Type.Optional(Type.String({ description: "which of several things side by side, such as a layer" })),
    message: Type.Optional(Type.String()),
    doneBytes: Type.Optional(Type.Number()),
    totalBytes: Type.Optional(Type.Number()),
    percent: Type.Optional(Type.Number()),
  },
  { $id: "Progress" },
);

/** Who asks a registry: name and password, or a token that docker login got. It is used for one request and kept nowhere. */
export const RegistryAuthSchema = Type.Union(
  [
    Type.Object(
      { username: Type.String({ minLength: 1, maxLength: 1024 }), password: Type.String({ maxLength: 16_384 }) },
      { additionalProperties: false },
    ),
    Type.Object({ identityToken: Type.String({ minLength: 1, maxLength: 16_384 }) }, { additionalProperties: false }),
    Type.Object({ registryToken: Type.String({ minLength: 1, maxLength: 16_384 }) }, { additionalProperties: false }),
  ],
  { $id: "RegistryAuth" },
);

/** A step that an image was made by (image-spec v1.1, config.md, `history`). */
export const ImageHistorySchema = Type.Object(
  {
    createdAt: Type.Optional(Type.String({ description: "as its maker wrote it" })),
    createdBy: Type.String({ description: "the command; empty when it is not told" }),
    comment: Type.String(),
    layer: Type.Optional(Type.String({ description: "digest of the layer that it made; absent when it made none" })),
    sizeBytes: Type.Integer({ description: "that layer as it is stored" }),
  },
  { $id: "ImageHistory" },
);

/** When to ask a registry for the image of a new machine. */
export const PullPolicySchema = Type.Union([Type.Literal("missing"), Type.Literal("always"), Type.Literal("never")]);

/** What an image says about running it. */
export type ImageConfig = Static<typeof ImageConfigSchema>;
/** An image in the local store. */
export type Image = Static<typeof ImageSchema>;
/** A guest kernel on this host. */
export type Kernel = Static<typeof KernelSchema>;
/** A step of long work. */
export type Progress = Static<typeof ProgressSchema>;
/** Who asks a registry. */
export type RegistryAuth = Static<typeof RegistryAuthSchema>;
/** When to ask a registry for the image of a new machine: when it is not here, each time, or not at all. */
export type PullPolicy = Static<typeof PullPolicySchema>;
/** A step that an image was made by. */
export type ImageHistory = Static<typeof ImageHistorySchema>;
