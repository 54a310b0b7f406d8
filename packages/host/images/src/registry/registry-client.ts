import type { OutgoingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { IsthmusError, type RegistryAuth } from "@isthmus/contract";
import { documentLimits } from "../config.ts";
import { digestOf } from "../manifest.ts";
import { isDigest } from "../reference.ts";
import { readAnswer, refusal } from "./answers.ts";
import { Authorization } from "./authorization.ts";
import type { RegistryLimits } from "./config.ts";
import { baseOf, type Endpoint } from "./endpoints.ts";
import type { HttpAnswer, HttpRequest, RegistryHttp } from "./http.ts";
import { withRetries } from "./retry.ts";

export interface ClientOptions {
  readonly http: RegistryHttp;
  readonly limits: RegistryLimits;
  readonly endpoint: Endpoint;
  readonly repository: string;
  /** the user's words, for messages */
  readonly ref: string;
  readonly auth: RegistryAuth | undefined;
  readonly actions: "pull" | "pull,push";
  /** other repositories that are read from, where their token server allows it */
  readonly alsoPull: readonly string[];
  readonly signal: AbortSignal | undefined;
}

export interface RemoteManifest {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export interface Exchange {
  readonly method: HttpRequest["method"];
  readonly headers?: OutgoingHttpHeaders;
  /** made anew for each try */
  readonly body?: () => Readable | Uint8Array;
  readonly idleMs?: number;
}

const ACCEPT = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** One repository of one server (OCI distribution-spec v1.1). Methods throw REGISTRY_*, and CANCELLED or AbortError when the signal is aborted. */
export class RegistryClient {
  readonly options: ClientOptions;
  readonly registry: string;
  readonly #authorization: Authorization;
  #base: Promise<URL> | undefined;
  #answered = false;

  constructor(options: ClientOptions, authorization?: Authorization) {
    const { http, limits, endpoint, repository, actions, alsoPull } = options;
    this.options = options;
    this.registry = endpoint.label;
    this.#authorization =
      authorization ??
      new Authorization({
        http,
        limits,
        registry: this.registry,
        auth: endpoint.isMirror ? undefined : options.auth,
        secure: endpoint.secure,
        scope: `repository:${repository}:${actions}`,
        alsoScopes: alsoPull.map((other) => `repository:${other}:pull`),
      });
  }

  /** The same, with what it has learnt, for work that another signal ends. */
  until(signal: AbortSignal): RegistryClient {
    const client = new RegistryClient({ ...this.options, signal }, this.#authorization);
    client.#base = this.#base;
    client.#answered = this.#answered;
    return client;
  }

  /** `path` below the repository's own: `manifests/latest`. */
  async url(path: string): Promise<URL> {
    const { endpoint, http, limits, repository, signal } = this.options;
    this.#base ??= baseOf(endpoint, http, limits, signal);
    return new URL(`v2/${repository}/${path}`, await this.#base);
  }

  /** Sends once, and once more with what the server's challenge asks for. The answer has any status but 401. */
  async send(url: URL, { method, headers, body, idleMs }: Exchange): Promise<HttpAnswer> {
    const { http, endpoint, ref, limits, signal } = this.options;
    const { origin } = await this.url("");
    for (let first = true; ; first = false) {
      // An upload may go on at another server, whose address carries what it needs to know.
      const authorization = url.origin === origin ? this.#authorization.header : undefined;
      const all = { ...headers, ...(authorization === undefined ? {} : { authorization }) };
      const answer = await http.send({ method, url, headers: all, body: body?.(), secure: endpoint.secure, idleMs, signal });
      this.#answered = true;
      if (answer.status !== 401) return answer;
      if (!first || !(await this.#authorization.renew(answer, authorization, signal)))
        throw await refusal(answer, { registry: this.registry, ref }, limits);
      answer.body.destroy();
    }
  }

  /** Sends with retries until the status is one of `wanted`. Throws what the answer stands for. */
  async request(path: string, exchange: Exchange, wanted: readonly number[]): Promise<HttpAnswer> {
    return await this.retrying(async () => await this.ask(await this.url(path), exchange, wanted));
  }

  /** A manifest or index by tag or digest, checked against the digest that was asked for or told. Throws IMAGE_DIGEST_MISMATCH too. */
  async manifest(reference: string): Promise<RemoteManifest> {
    return await this.#document(`manifests/${reference}`, reference, { accept: ACCEPT });
  }

  /** A small blob as a whole, checked. */
  async smallBlob(digest: string): Promise<Buffer> {
    return (await this.#document(`blobs/${digest}`, digest, {})).bytes;
  }

  async #document(path: string, reference: string, headers: OutgoingHttpHeaders): Promise<RemoteManifest> {
    const registry = this.registry;
    const read = async (): Promise<RemoteManifest> => {
      const answer = await this.ask(await this.url(path), { method: "GET", headers }, [200]);
      const bytes = await readAnswer(answer, documentLimits.jsonBytes, registry);
      const told = answer.headers["docker-content-digest"];
      const wanted = isDigest(reference) ? reference : told;
      const digest = digestOf(bytes);
      if (isDigest(wanted) && wanted !== digest) throw new IsthmusError("IMAGE_DIGEST_MISMATCH", { digest: wanted, actual: digest });
      return { digest, bytes, mediaType: (answer.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "" };
    };
    return await this.retrying(read);
  }

  /** Runs an action of several requests until it works, as `request` does with one. */
  async retrying<T>(action: () => Promise<T>): Promise<T> {
    const { limits, signal } = this.options;
    return await withRetries(action, { registry: this.registry, limits, signal, answered: this.#answered });
  }

  /** Sends without retries. */
  async ask(url: URL, exchange: Exchange, wanted: readonly number[]): Promise<HttpAnswer> {
    const answer = await this.send(url, exchange);
    if (wanted.includes(answer.status)) return answer;
    throw await refusal(answer, { registry: this.registry, ref: this.options.ref }, this.options.limits);
  }
}
