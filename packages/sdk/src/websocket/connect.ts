import { createHash, randomBytes } from "node:crypto";
import type HttpModule from "node:http";
import type { Duplex } from "node:stream";
import { IsthmusError } from "@isthmus/contract";
import { type Address, tlsOptions } from "../address.ts";
import { CONNECT_TIMEOUT_MS, HANDSHAKE_ANSWER_BYTES, KEEPALIVE_PROBE_MS } from "../config.ts";
import { cancelled, unreachable } from "../failures.ts";
import { parseError, pathOf, type Query, readAll } from "../transport.ts";
import { ClientSocket } from "./socket.ts";

/** An import statement would read every export of node:http, and with that load fetch: 40 ms that `isthmus ps` does not have. */
const http: typeof HttpModule = process.getBuiltinModule("node:http");

/** What RFC 6455, 1.3 appends to the key. */
const KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export interface Target {
  /** below the version prefix */
  readonly path: string;
  readonly query?: Query;
  readonly signal?: AbortSignal;
}

async function requestOf(address: Address, target: Target, key: string): Promise<HttpModule.ClientRequest> {
  const headers: Record<string, string> = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": key,
  };
  const common = { path: pathOf(target), headers, agent: false, signal: target.signal, timeout: CONNECT_TIMEOUT_MS } as const;
  if (address.token !== undefined) headers.authorization = `Bearer ${address.token}`;
  if (address.kind === "socket") {
    headers.host = "localhost";
    return http.request({ ...common, socketPath: address.socketPath });
  }
  const https = await import("node:https");
  return https.request({ ...common, host: address.host, port: address.port, ...tlsOptions(address) });
}

/** Opens a WebSocket to the daemon. Throws the daemon's error, DAEMON_UNREACHABLE, CLIENT_CERTIFICATE_REFUSED, CANCELLED, PROTOCOL. */
export async function connect(address: Address, target: Target, limitBytes: number): Promise<ClientSocket> {
  if (target.signal?.aborted) throw cancelled(target);
  const key = randomBytes(16).toString("base64");
  const request = await requestOf(address, target, key);
  return await new Promise<ClientSocket>((resolve, reject) => {
    request.once("upgrade", (answer, stream, head) => {
      try {
        resolve(opened(answer, stream, head, key, limitBytes));
      } catch (cause) {
        stream.destroy();
        reject(cause);
      }
    });
    request.once("response", (answer) => {
      readAll(answer, HANDSHAKE_ANSWER_BYTES).then(
        (bytes) => reject(parseError(bytes.toString("utf8"), answer.statusCode ?? 0)),
        (cause: unknown) => reject(unreachable(address, cause)),
      );
    });
    request.once("timeout", () => request.destroy(new IsthmusError("TIMEOUT", { what: "the handshake", limit: CONNECT_TIMEOUT_MS })));
    request.once("error", (cause) => {
      if (target.signal?.aborted) return reject(cancelled(target, cause));
      if (address.kind === "socket") return reject(unreachable(address, cause));
      import("../lost-handshake.ts").then(({ explain }) => explain(address, cause)).then(reject, reject);
    });
    request.end();
  });
}

function opened(answer: HttpModule.IncomingMessage, stream: Duplex, head: Buffer, key: string, limitBytes: number): ClientSocket {
  const wanted = createHash("sha1").update(`${key}${KEY_SUFFIX}`).digest("base64");
  if (answer.statusCode !== 101 || answer.headers["sec-websocket-accept"] !== wanted)
    throw new IsthmusError("PROTOCOL", { reason: "the WebSocket handshake was answered wrongly" });
  if (answer.headers["sec-websocket-extensions"] !== undefined)
    throw new IsthmusError("PROTOCOL", { reason: "the server uses a WebSocket extension that nobody offered" });
  if ("setNoDelay" in stream && typeof stream.setNoDelay === "function") stream.setNoDelay(true);
  if ("setKeepAlive" in stream && typeof stream.setKeepAlive === "function") stream.setKeepAlive(true, KEEPALIVE_PROBE_MS);
  if ("setTimeout" in stream && typeof stream.setTimeout === "function") stream.setTimeout(0);
  return new ClientSocket(stream, head, limitBytes);
}
