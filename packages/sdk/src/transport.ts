import type HttpModule from "node:http";
import type { Readable } from "node:stream";
import { API_PREFIX, IsthmusError } from "@isthmus/contract";
import { type Address, tlsOptions } from "./address.ts";
import { ERROR_ANSWER_BYTES, IDLE_SOCKET_MS, JSON_ANSWER_BYTES, KEEPALIVE_PROBE_MS, MAX_FREE_SOCKETS, MAX_SOCKETS } from "./config.ts";
import { cancelled, unreachable } from "./failures.ts";

/** An import statement would read every export of node:http, and with that load fetch: 40 ms that `isthmus ps` does not have. */
const http: typeof HttpModule = process.getBuiltinModule("node:http");

export type QueryValue = string | number | boolean | undefined | readonly string[];
export type Query = Readonly<Record<string, QueryValue>>;

export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** below the version prefix, beginning with a slash */
  readonly path: string;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly body?: Readable;
  /** True when a lost connection may be answered by sending the call again. */
  readonly repeatable?: boolean;
  readonly signal?: AbortSignal;
}

/** One HTTP conversation with the daemon: connections kept alive, answers with status 400 and up thrown as IsthmusError. */
export class Transport {
  readonly address: Address;
  #agent: HttpModule.Agent | undefined;

  constructor(address: Address) {
    this.address = address;
  }

  /** The answer, its body not yet read. Throws the daemon's error, DAEMON_UNREACHABLE, CLIENT_CERTIFICATE_REFUSED, CANCELLED, PROTOCOL. */
  async send(call: Call): Promise<HttpModule.IncomingMessage> {
    if (call.signal?.aborted) throw cancelled(call);
    const answer = await this.#exchange(call, call.repeatable ?? call.method === "GET");
    if ((answer.statusCode ?? 0) < 400) return answer;
    const error = await errorOf(answer, this.address);
    // The daemon has said no; the rest of an upload is not worth sending.
    if (call.body) answer.destroy();
    throw error;
  }

  /** The answer's JSON, trusted to be what the API promises. */
  async json<T>(call: Call): Promise<T> {
    const answer = await this.send(call);
    const bytes = await readAll(answer, JSON_ANSWER_BYTES).catch((cause: unknown) => {
      throw call.signal?.aborted ? cancelled(call, cause) : unreachable(this.address, cause);
    });
    try {
      return JSON.parse(bytes.toString("utf8")) as T;
    } catch (cause) {
      throw new IsthmusError("PROTOCOL", { reason: `the answer to ${call.method} ${call.path} is not JSON` }, { cause });
    }
  }

  /** Sends and forgets the answer's body. */
  async done(call: Call): Promise<void> {
    const answer = await this.send(call);
    answer.resume();
  }

  /** Closes idle connections. */
  close(): void {
    this.#agent?.destroy();
    this.#agent = undefined;
  }

  async #exchange(call: Call, repeatable: boolean): Promise<HttpModule.IncomingMessage> {
    const options = await this.#options(call);
    return await new Promise((resolve, reject) => {
      const request = http.request(options);
      request.once("response", (answer) => {
        resolve(answer);
        // The server may answer before it has taken the whole body; what follows is told by the answer.
        request.on("error", () => undefined);
      });
      request.once("error", (cause: NodeJS.ErrnoException) => {
        if (call.signal?.aborted) return reject(cancelled(call, cause));
        const stale = request.reusedSocket && (cause.code === "ECONNRESET" || cause.code === "EPIPE");
        if (stale && repeatable && call.body === undefined) return resolve(this.#exchange(call, false));
        if (request.reusedSocket || this.address.kind === "socket") return reject(unreachable(this.address, cause));
        import("./lost-handshake.ts").then(({ explain }) => explain(this.address, cause)).then(reject, reject);
      });
      sendBody(request, call);
    });
  }

  async #options(call: Call): Promise<HttpModule.RequestOptions> {
    const headers: Record<string, string> = { accept: "application/json", ...call.headers };
    if (call.json !== undefined) headers["content-type"] = "application/json";
    if (call.body !== undefined) headers["content-type"] ??= "application/x-tar";
    const common = { method: call.method, path: pathOf(call), signal: call.signal, agent: await this.#connections() };
    const address = this.address;
    if (address.token !== undefined) headers.authorization = `Bearer ${address.token}`;
    if (address.kind === "socket") return { ...common, socketPath: address.socketPath, headers: { host: "localhost", ...headers } };
    return { ...common, protocol: "https:", host: address.host, port: address.port, headers };
  }

  async #connections(): Promise<HttpModule.Agent> {
    if (this.#agent) return this.#agent;
    const options = { keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: MAX_FREE_SOCKETS, keepAliveMsecs: KEEPALIVE_PROBE_MS };
    if (this.address.kind === "socket") {
      this.#agent = new http.Agent(options);
    } else {
      const { Agent } = await import("node:https");
      this.#agent ??= new Agent({ ...options, ...tlsOptions(this.address) });
    }
    this.#agent.on("free", (socket: { setTimeout(ms: number): void }) => socket.setTimeout(IDLE_SOCKET_MS));
    return this.#agent;
  }
}

function sendBody(request: HttpModule.ClientRequest, call: Call): void {
  if (call.body === undefined) {
    request.end(call.json === undefined ? undefined : JSON.stringify(call.json));
    return;
  }
  const body = call.body;
  body.once("error", (cause) => request.destroy(cause));
  request.once("close", () => body.destroy());
  body.pipe(request);
}

/** The whole path of a call, query included. */
export function pathOf(call: { readonly path: string; readonly query?: Query }): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(call.query ?? {})) {
    if (value === undefined) continue;
    if (typeof value === "object") for (const item of value) search.append(key, item);
    else search.append(key, String(value));
  }
  const text = search.toString();
  return `${API_PREFIX}${call.path}${text === "" ? "" : `?${text}`}`;
}

/** All bytes of a stream. Throws TOO_LARGE. */
export async function readAll(stream: Readable, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const piece of stream) {
    const chunk: Buffer = piece;
    size += chunk.length;
    if (size > limitBytes) {
      stream.destroy();
      throw new IsthmusError("TOO_LARGE", { field: "answer", value: size, limit: limitBytes });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function errorOf(answer: HttpModule.IncomingMessage, address: Address): Promise<IsthmusError> {
  const bytes = await readAll(answer, ERROR_ANSWER_BYTES).catch((cause: unknown) => unreachable(address, cause));
  if (bytes instanceof IsthmusError) return bytes;
  return parseError(bytes.toString("utf8"), answer.statusCode ?? 0);
}

/** The error that a JSON text `{"error": {…}}` holds; PROTOCOL when it holds none. */
export function parseError(text: string, status: number): IsthmusError {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && "error" in body && typeof body.error === "object" && body.error !== null)
      return IsthmusError.fromBody(body.error);
  } catch {
    // told below: what came is not ours
  }
  return new IsthmusError("PROTOCOL", { reason: `status ${status} without one of our errors` });
}
