import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { OciImage } from "../fixtures.ts";
import { sha256 } from "../fixtures.ts";

export interface Served {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** What a test's registry does in the place of its duty; true when it has answered. */
export type Behaviour = (served: Served, response: ServerResponse, request: IncomingMessage) => boolean | Promise<boolean>;

export interface FakeRegistry extends AsyncDisposable {
  /** 127.0.0.1:PORT */
  readonly host: string;
  readonly seen: Served[];
  /** tag or digest → manifest or index */
  readonly manifests: Map<string, { readonly bytes: Buffer; readonly mediaType: string }>;
  readonly blobs: Map<string, Buffer>;
  behave: Behaviour;
  add(image: OciImage, tag: string): void;
}

/** A registry in this process, for what a real one cannot be made to do. */
export async function fakeRegistry(): Promise<FakeRegistry> {
  const seen: Served[] = [];
  const registry: Omit<FakeRegistry, "host"> = {
    seen,
    manifests: new Map(),
    blobs: new Map(),
    behave: () => false,
    add(image, tag) {
      for (const [digest, bytes] of image.blobs) this.blobs.set(digest, bytes);
      const bytes = image.blobs.get(image.descriptor.digest) ?? Buffer.alloc(0);
      for (const key of [tag, image.descriptor.digest]) this.manifests.set(key, { bytes, mediaType: image.descriptor.mediaType });
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    // As a proxy it is asked for whole addresses.
    const served = { method, path: url.replace(/^http:\/\/[^/]+/, ""), range: headers.range, authorization: headers.authorization };
    seen.push(served);
    void Promise.resolve(registry.behave(served, response, request)).then((done) => {
      if (!done) serve(registry, served, response);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return Object.assign(registry, { host: `127.0.0.1:${port}` });
}

function serve(registry: Omit<FakeRegistry, "host">, { path, range }: Served, response: ServerResponse): void {
  const [, kind, reference = ""] = /^\/v2\/[^?]+\/(manifests|blobs)\/([^?/]+)$/.exec(path) ?? [];
  const found = kind === "manifests" ? registry.manifests.get(reference) : undefined;
  if (found !== undefined) {
    response.writeHead(200, { "content-type": found.mediaType, "docker-content-digest": sha256(found.bytes) }).end(found.bytes);
    return;
  }
  const blob = kind === "blobs" ? registry.blobs.get(reference) : undefined;
  if (blob === undefined) {
    response.writeHead(path === "/v2/" ? 200 : 404).end(JSON.stringify({ errors: [{ code: "UNKNOWN", message: "not here" }] }));
    return;
  }
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  if (from === 0) response.writeHead(200, { "content-length": blob.length }).end(blob);
  else
    response
      .writeHead(206, { "content-length": blob.length - from, "content-range": `bytes ${from}-${blob.length - 1}/${blob.length}` })
      .end(blob.subarray(from));
}
