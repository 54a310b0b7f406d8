import type HttpModule from "node:http";
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type HttpsModule from "node:https";
import type { Readable } from "node:stream";
import type TlsModule from "node:tls";
import { IsthmusError } from "@isthmus/contract";
import type { RegistryLimits } from "./config.ts";
import { isLoopback } from "./loopback.ts";

// An import statement would read every export of node:http, and with that load fetch: 5 MB that nothing here needs. TLS is loaded when it is spoken.
const http: typeof HttpModule = process.getBuiltinModule("node:http");
const https = (): typeof HttpsModule => process.getBuiltinModule("node:https");
const tls = (): typeof TlsModule => process.getBuiltinModule("node:tls");

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH";
  readonly url: URL;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Readable | string | Uint8Array;
  /** false: neither a valid certificate nor TLS is asked for */
  readonly secure: boolean;
  readonly idleMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** must be read or destroyed */
  readonly body: IncomingMessage;
  /** after redirects */
  readonly url: URL;
}

const FREE_SOCKETS = 4;

/** HTTP as registries need it: proxies, redirects that take no secrets along, no waiting for a silent peer. Rejects with errors of the system. */
export class RegistryHttp {
  readonly #limits: RegistryLimits;
  readonly #proxies: NodeJS.ProcessEnv;
  readonly #agents = new Map<string, HttpModule.Agent>();

  constructor(limits: RegistryLimits, proxies: Readonly<Record<string, string | undefined>>) {
    this.#limits = limits;
    this.#proxies = { ...proxies };
  }

  /** Lets go of connections that are kept for the next request. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  async send(request: HttpRequest): Promise<HttpAnswer> {
    let { url, headers = {} } = request;
    for (let hops = 0; ; hops += 1) {
      const body = await this.#exchange({ ...request, url, headers });
      const status = body.statusCode ?? 0;
      const location = body.headers.location;
      const mayFollow = request.method === "GET" || request.method === "HEAD";
      if (!mayFollow || location === undefined || ![301, 302, 303, 307, 308].includes(status))
        return { status, headers: body.headers, body, url };
      body.destroy();
      const next = target(location, url);
      if (hops >= this.#limits.redirects) throw redirectRefused(url, `it redirects more than ${this.#limits.redirects} times`);
      if (next.protocol !== "https:" && (request.secure || next.protocol !== "http:"))
        throw redirectRefused(url, "it redirects to an address without TLS");
      if (next.origin !== url.origin) headers = withoutSecrets(headers);
      url = next;
    }
  }

  #exchange(request: HttpRequest): Promise<IncomingMessage> {
    const { method, url, headers, body, secure, signal, idleMs = this.#limits.idleMs } = request;
    const plain = url.protocol === "http:";
    const agent = this.#agent(plain, secure, isLoopback(url.hostname));
    return new Promise((resolve, reject) => {
      const call = (plain ? http : https()).request(url, { method, headers, agent, signal, timeout: idleMs });
      call.once("timeout", () =>
        call.destroy(new IsthmusError("REGISTRY_UNREACHABLE", { registry: url.host, reason: `it was silent for ${idleMs} ms` })),
      );
      call.once("response", (answer) => {
        resolve(answer);
        // What breaks off now is told by the answer's body.
        call.on("error", () => undefined);
      });
      call.once("error", reject);
      if (body === undefined || typeof body === "string" || body instanceof Uint8Array) call.end(body);
      else {
        body.once("error", (error) => call.destroy(error));
        call.once("close", () => body.destroy());
        body.pipe(call);
      }
    });
  }

  #agent(plain: boolean, secure: boolean, loopback: boolean): HttpModule.Agent {
    const key = `${plain} ${secure} ${loopback}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    // This host is never behind a proxy.
    const proxyEnv = loopback ? undefined : this.#proxies;
    const options = { keepAlive: true, maxFreeSockets: FREE_SOCKETS, proxyEnv };
    const agent = plain ? new http.Agent(options) : new (https().Agent)({ ...options, rejectUnauthorized: secure, ca: authorities() });
    this.#agents.set(key, agent);
    return agent;
  }
}

let known: string[] | undefined;

/** Whom Node.js trusts, and whom this host does: registries of a company have certificates of its own. */
function authorities(): string[] {
  known ??= [...new Set([...tls().getCACertificates("default"), ...tls().getCACertificates("system")])];
  return known;
}

function target(location: string, from: URL): URL {
  if (!URL.canParse(location, from.href)) throw redirectRefused(from, "it redirects to no valid address");
  return new URL(location, from);
}

function redirectRefused(url: URL, reason: string): IsthmusError {
  return new IsthmusError("REGISTRY_FAILED", { registry: url.host, reason });
}

function withoutSecrets(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== "authorization"));
}
