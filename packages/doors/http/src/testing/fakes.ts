import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { type Image, IsthmusError, type Kernel, type Progress } from "@isthmus/contract";
import { type Clock, type ImageStore, type Kernels, Tokens, type TokenTables } from "@isthmus/core";
import type { DoorDeps } from "../deps.ts";
import { createHttpDoor, type HttpDoor } from "../door.ts";
import { FakeMachines } from "./fake-machines.ts";

export { TestAuthority } from "./authority.ts";
export { FakeMachines } from "./fake-machines.ts";
export { FakeProcess } from "./fake-process.ts";

function fakeImage(tag: string, sizeBytes: number): Image & { rootfsPath: string } {
  const config = { entrypoint: [], cmd: ["sh"], env: [], workdir: "/", user: "", exposedPorts: [], volumes: [], labels: {} };
  return {
    digest: `sha256:${"a".repeat(64)}`,
    tags: [tag],
    architecture: "amd64",
    os: "linux",
    createdAt: "2026-01-01T00:00:00Z",
    sizeBytes,
    rootfsBytes: sizeBytes,
    rootfsFormat: "squashfs",
    layers: [],
    config,
    builtIn: false,
    rootfsPath: "/hidden/rootfs",
  };
}

async function take(archive: Readable, onProgress?: (progress: Progress) => void): Promise<number> {
  let size = 0;
  for await (const chunk of archive) {
    const bytes: Buffer = chunk;
    if (size === 0 && bytes.subarray(0, 3).toString() === "bad") throw new IsthmusError("BAD_IMAGE", { reason: "it says so itself" });
    size += bytes.length;
    onProgress?.({ step: "unpack", doneBytes: size });
  }
  return size;
}

/** Images in memory. An archive that begins with `bad` is a bad image. */
export class FakeImages implements ImageStore {
  readonly images = new Map<string, Image & { rootfsPath: string }>();

  async resolve(ref: string) {
    const image = this.images.get(ref);
    if (!image) throw new IsthmusError("IMAGE_NOT_FOUND", { ref });
    return image;
  }

  async list() {
    return [...this.images.values()].map(({ rootfsPath: _path, ...image }) => image);
  }

  async importTar(archive: Readable, options: Parameters<ImageStore["importTar"]>[1]) {
    const image = fakeImage(options.ref, await take(archive, options.onProgress));
    this.images.set(options.ref, image);
    return image;
  }

  async loadArchive(archive: Readable, options: NonNullable<Parameters<ImageStore["loadArchive"]>[1]> = {}) {
    const image = fakeImage(options.ref ?? "loaded:latest", await take(archive, options.onProgress));
    this.images.set(options.ref ?? "loaded:latest", image);
    return [image];
  }

  /** The registry `refused.example` lets nobody in; others have all images. */
  async pull(ref: string, options: Parameters<ImageStore["pull"]>[1] = {}) {
    if (ref.startsWith("refused.example/") && options.auth === undefined)
      throw new IsthmusError("REGISTRY_DENIED", { registry: "refused.example", ref, reason: "status 401" });
    options.onProgress?.({ step: "download", item: "0123456789ab", doneBytes: 1, totalBytes: 1 });
    const image = fakeImage(ref, 1);
    this.images.set(ref, image);
    return image;
  }

  async push(ref: string, options: Parameters<ImageStore["push"]>[1] = {}) {
    const { digest } = await this.resolve(ref);
    options.onProgress?.({ step: "pushed", item: "0123456789ab" });
    return { digest };
  }

  async save(refs: readonly string[]) {
    for (const ref of refs) await this.resolve(ref);
    return Readable.from([Buffer.from(refs.join(" "))], { objectMode: false });
  }

  async history(ref: string) {
    await this.resolve(ref);
    return [{ createdBy: "RUN true", comment: "", sizeBytes: 0 }];
  }

  async prune({ all = false, inUse }: Parameters<ImageStore["prune"]>[0]) {
    const deleted = (await this.list()).filter((image) => all && inUse(image.digest) === undefined);
    return { deleted, freedBytes: deleted.length };
  }

  async tag(source: string, target: string) {
    const image = await this.resolve(source);
    this.images.set(target, image);
    return image;
  }

  async remove(ref: string) {
    const image = await this.resolve(ref);
    this.images.delete(ref);
    return { untagged: [ref], deleted: [image.digest] };
  }
}

const kernel: Kernel = { version: "6.1", source: "debian", path: "/boot/vmlinuz", sizeBytes: 1, digest: "sha256:k", selected: true };

const kernels: Kernels = {
  resolve: async () => ({ kernelPath: "/k", initramfsPath: "/i", version: "6.1", digest: "sha256:k" }),
  list: async () => [kernel],
  fetch: async (onProgress) => {
    onProgress({ step: "download", percent: 50 });
    onProgress({ step: "unpack" });
    return kernel;
  },
  build: async () => {
    throw new IsthmusError("KERNEL_BUILD_FAILED", { reason: "no compiler", log: "/tmp/log" });
  },
};

const hostFacts = {
  cpus: 2,
  memoryTotalBytes: 4_000_000_000,
  memoryAvailableBytes: 2_000_000_000,
  diskFreeBytes: 1_000_000_000,
  processesLeft: 30_000,
  descriptorsLeft: 1000,
};

const wallClock: Clock = {
  now: () => Date.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};

function memoryTokens(): TokenTables {
  return { tokens: () => [], insertToken: () => undefined, deleteToken: () => undefined };
}

/** Everything that a door needs, in memory; faults of ours are collected. */
export function fakeDeps(): DoorDeps & { readonly machines: FakeMachines; readonly images: FakeImages; readonly faults: object[] } {
  const faults: object[] = [];
  const quiet = () => undefined;
  return {
    faults,
    machines: new FakeMachines(),
    tokens: new Tokens(memoryTokens(), wallClock),
    images: new FakeImages(),
    kernels,
    doctor: { report: async () => ({ ok: true, findings: [] }) },
    metrics: { contentType: "text/plain; version=0.0.4; charset=utf-8", text: () => "isthmus_machines 0\n" },
    pressure: async () => ({ facts: hostFacts, pressed: [], measures: [], watching: true, machines: [] }),
    version: () => ({
      version: "0.1.0",
      api: "v1",
      pid: process.pid,
      startedAt: "2026-01-01T00:00:00Z",
      node: process.version,
      home: "/home",
      machines: {},
      rssBytes: process.memoryUsage.rss(),
    }),
    log: { debug: quiet, info: quiet, warn: quiet, error: (fields) => faults.push(fields) },
  };
}

export interface OpenDoor extends AsyncDisposable {
  readonly door: HttpDoor;
  readonly deps: ReturnType<typeof fakeDeps>;
  readonly socketPath: string;
  readonly folder: string;
}

/** A door with fakes behind it, listening on a socket in a folder of its own; disposing of it leaves nothing. */
export async function openDoor(): Promise<OpenDoor> {
  const deps = fakeDeps();
  const door = await createHttpDoor(deps);
  const folder = await mkdtemp(path.join(tmpdir(), "isthmus-door-"));
  const socketPath = path.join(folder, "isthmus.sock");
  await door.listen({ socketPath });
  return {
    door,
    deps,
    socketPath,
    folder,
    async [Symbol.asyncDispose]() {
      await door.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
export { testTls } from "./tls.ts";
