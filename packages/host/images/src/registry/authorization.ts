import { IsthmusError, type RegistryAuth } from "@isthmus/contract";
import { isObject, stringField } from "../json.ts";
import { readAnswer } from "./answers.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { RegistryLimits } from "./config.ts";
import type { HttpAnswer, RegistryHttp } from "./http.ts";

export interface AuthorizationOptions {
  readonly http: RegistryHttp;
  readonly limits: RegistryLimits;
  /** for messages */
  readonly registry: string;
  readonly auth: RegistryAuth | undefined;
  readonly secure: boolean;
  /** `repository:library/busybox:pull` */
  readonly scope: string;
  /** asked for besides, and done without when the token server refuses them */
  readonly alsoScopes: readonly string[];
}

/** how we name ourselves to token servers */
const CLIENT_ID = "isthmus";

/**
 * What goes into the Authorization header for one repository. Begins with nothing and does what the registry's challenge asks for: Basic, or a token from the
 * server that it names (distribution-spec; "Token Authentication Specification" of the distribution project).
 */
export class Authorization {
  readonly #options: AuthorizationOptions;
  #header: string | undefined;
  #renewing: { readonly challenge: string; readonly done: Promise<void> } | undefined;

  constructor(options: AuthorizationOptions) {
    this.#options = options;
    const { auth } = options;
    if (auth !== undefined && "registryToken" in auth) this.#header = `Bearer ${auth.registryToken}`;
  }

  get header(): string | undefined {
    return this.#header;
  }

  /** Answers the challenge of a 401. False when there is nothing (more) to offer. `used` is the header that was refused. */
  async renew({ headers }: Pick<HttpAnswer, "headers">, used: string | undefined, signal: AbortSignal | undefined): Promise<boolean> {
    const challenge = headers["www-authenticate"] ?? "";
    // What another challenge asks for may be refused where this one is not: its end is waited for, its failure is not ours.
    while (used === this.#header && this.#renewing !== undefined && this.#renewing.challenge !== challenge)
      await this.#renewing.done.catch(() => undefined);
    if (used !== this.#header) return true;
    // Requests side by side are refused together, and one new token does for all.
    this.#renewing ??= { challenge, done: this.#renewed(challenge, signal) };
    await this.#renewing.done;
    return this.#header !== used;
  }

  async #renewed(challenge: string, signal: AbortSignal | undefined): Promise<void> {
    await this.#choose(parseChallenges(challenge), signal).finally(() => {
      this.#renewing = undefined;
    });
  }

  async #choose(challenges: readonly Challenge[], signal: AbortSignal | undefined): Promise<void> {
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    const { auth } = this.#options;
    if (bearer !== undefined && !(auth !== undefined && "registryToken" in auth)) {
      this.#header = `Bearer ${await this.#token(bearer.params, signal)}`;
      return;
    }
    if (challenges.some(({ scheme }) => scheme === "basic")) this.#header = basic(auth) ?? this.#header;
  }

  async #token(params: ReadonlyMap<string, string>, signal: AbortSignal | undefined): Promise<string> {
    const needed = (params.get("scope") ?? this.#options.scope).split(" ").filter((scope) => scope !== "");
    const all = [...new Set([...needed, ...this.#options.alsoScopes])];
    try {
      return await this.#tokenFor(all, params, signal);
    } catch (error) {
      // Most servers leave out what the account may not have; some refuse the whole.
      if (!(error instanceof IsthmusError && error.code === "REGISTRY_DENIED") || all.length === needed.length) throw error;
      return await this.#tokenFor(needed, params, signal);
    }
  }

  async #tokenFor(scopes: readonly string[], params: ReadonlyMap<string, string>, signal: AbortSignal | undefined): Promise<string> {
    const { http, limits, registry, auth, secure } = this.#options;
    const url = this.#realm(params.get("realm") ?? "");
    const service = params.get("service");
    const fields = new URLSearchParams(service === undefined ? {} : { service });
    let answer: HttpAnswer;
    if (auth !== undefined && "identityToken" in auth) {
      fields.set("scope", scopes.join(" "));
      fields.set("grant_type", "refresh_token");
      fields.set("client_id", CLIENT_ID);
      fields.set("refresh_token", auth.identityToken);
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      answer = await http.send({ method: "POST", url, headers, body: fields.toString(), secure, signal });
    } else {
      // One field for each: there a space divides nothing.
      for (const scope of scopes) fields.append("scope", scope);
      for (const [name, value] of fields) url.searchParams.append(name, value);
      const authorization = basic(auth);
      answer = await http.send({ method: "GET", url, headers: authorization === undefined ? {} : { authorization }, secure, signal });
    }
    const bytes = await readAnswer(answer, limits.answerBytes, registry);
    if (answer.status !== 200) throw tokenRefused(registry, url, answer.status);
    const token = tokenOf(bytes);
    if (token === undefined) throw new IsthmusError("REGISTRY_FAILED", { registry, reason: `${url.host} gave no token` });
    return token;
  }

  /** Secrets go over TLS, unless the registry itself has none. */
  #realm(realm: string): URL {
    const { registry, secure } = this.#options;
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (url?.protocol === "https:" || (url?.protocol === "http:" && !secure)) return url;
    throw new IsthmusError("REGISTRY_FAILED", { registry, reason: "it names no token server with TLS" });
  }
}

function basic(auth: RegistryAuth | undefined): string | undefined {
  if (auth === undefined || !("username" in auth)) return undefined;
  return `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString("base64")}`;
}

function tokenRefused(registry: string, url: URL, status: number): IsthmusError {
  const reason = `${url.host} gives no token (status ${status})`;
  if (status === 429) return new IsthmusError("REGISTRY_BUSY", { registry, reason });
  if (status >= 500) return new IsthmusError("REGISTRY_FAILED", { registry, reason, status });
  return new IsthmusError("REGISTRY_DENIED", { registry, ref: "the account", reason });
}

function tokenOf(bytes: Buffer): string | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    if (!isObject(value)) return undefined;
    const token = stringField(value, "token") ?? stringField(value, "access_token");
    // It goes into a header.
    return token !== undefined && /^[\x21-\x7e]+$/.test(token) ? token : undefined;
  } catch {
    return undefined;
  }
}
