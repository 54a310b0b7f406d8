import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Image, Machine, MachineSpec, Snapshot } from "@isthmus/contract";

export interface Seen {
  readonly method: string;
  /** below the version prefix */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Answer {
  readonly status?: number;
  readonly json?: unknown;
  /** instead of json */
  readonly bytes?: Buffer;
}

export type Handler = (request: Seen) => Answer | undefined | Promise<Answer | undefined>;

export interface FakeDaemon extends AsyncDisposable {
  readonly socketPath: string;
  readonly seen: Seen[];
}

/** A server on a Unix socket that speaks as much of the API as `handler` does; 404 for the rest. For what the real daemon cannot be made to say. */
export async function fakeDaemon(handler: Handler): Promise<FakeDaemon> {
  const folder = mkdtempSync(path.join(tmpdir(), "isthmus-cli-"));
  const socketPath = path.join(folder, "isthmus.sock");
  const seen: Seen[] = [];
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const url = new URL(request.url ?? "/", "http://localhost");
      const one: Seen = {
        method: request.method ?? "",
        path: url.pathname.replace(/^\/v1/, ""),
        query: Object.fromEntries(url.searchParams),
        body: Buffer.concat(chunks).toString("utf8"),
      };
      seen.push(one);
      Promise.resolve(handler(one)).then(
        (answer) => reply(response, answer ?? notFound(one)),
        () => response.destroy(),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    socketPath,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function reply(response: http.ServerResponse, { status = 200, json, bytes }: Answer): void {
  response.writeHead(status, { "content-type": bytes ? "application/octet-stream" : "application/json" });
  response.end(bytes ?? JSON.stringify(json ?? {}));
}

function notFound({ method, path: where }: Seen): Answer {
  return failure("ROUTE_NOT_FOUND", `${method} ${where} is not part of this API`, 404);
}

export function failure(code: string, message: string, status: number): Answer {
  return { status, json: { error: { code, message, remedy: "", status, details: {} } } };
}

/** One record of a raw log stream. */
export function rawRecord(stream: "stdout" | "stderr", text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(5);
  head[0] = stream === "stdout" ? 1 : 2;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

export function machine(changes: Partial<Machine> = {}, spec: Partial<MachineSpec> = {}): Machine {
  return {
    id: "00112233445566aa",
    name: "web",
    state: "running",
    spec: { image: "busybox", ...spec },
    imageDigest: `sha256:${"a".repeat(64)}`,
    argv: ["sleep", "60"],
    isolation: "microvm",
    engine: "qemu",
    accelerator: "tcg",
    ports: [],
    createdAt: new Date(Date.now() - 5_400_000).toISOString(),
    startedAt: new Date(Date.now() - 5_390_000).toISOString(),
    restarts: 0,
    notes: [],
    timings: {},
    ...changes,
  };
}

export function snapshot(changes: Partial<Snapshot> = {}): Snapshot {
  return {
    id: "aabbccddeeff0011",
    name: "before",
    machineId: "00112233445566aa",
    machineName: "web",
    imageDigest: `sha256:${"a".repeat(64)}`,
    spec: { image: "busybox" },
    engine: "qemu 7.2.22",
    accelerator: "tcg",
    sizeBytes: 30_000_000,
    pausedMs: 38.2,
    createdAt: new Date(Date.now() - 3_600_000).toISOString(),
    ...changes,
  };
}

export function image(changes: Partial<Image> = {}): Image {
  return {
    digest: `sha256:${"b".repeat(64)}`,
    tags: ["busybox:latest"],
    architecture: "amd64",
    os: "linux",
    createdAt: new Date(Date.now() - 60_000).toISOString(),
    sizeBytes: 2_000_000,
    rootfsBytes: 1_000_000,
    rootfsFormat: "squashfs",
    layers: [],
    config: { entrypoint: [], cmd: ["sh"], env: [], workdir: "/", user: "", exposedPorts: [], volumes: [], labels: {} },
    builtIn: true,
    ...changes,
  };
}
