import type { Secret } from "@isthmus/contract";
import type { CallOptions } from "./options.ts";
import type { Transport } from "./transport.ts";

/** Which tenant's secrets are meant. */
export interface SecretOptions extends CallOptions {
  /** the token's when absent, else the default one */
  readonly tenant?: string;
}

/** Values that machines are given and that nothing tells. Specs name them: `secrets`, `secretEnv`. */
export class Secrets {
  readonly #transport: Transport;

  /** Use `isthmus.secrets`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Keeps a value. Throws SECRET_TAKEN, TOO_LARGE. */
  create(name: string, value: string | Uint8Array, options: SecretOptions = {}): Promise<Secret> {
    const { tenant, signal } = options;
    return this.#transport.json({
      method: "POST",
      path: "/secrets",
      json: { name, value: Buffer.from(value).toString("base64"), tenant },
      signal,
    });
  }

  /** By tenant and name. */
  async list(options: CallOptions = {}): Promise<readonly Secret[]> {
    const { secrets } = await this.#transport.json<{ secrets: readonly Secret[] }>({
      method: "GET",
      path: "/secrets",
      signal: options.signal,
    });
    return secrets;
  }

  /** Throws SECRET_NOT_FOUND, and SECRET_IN_USE while a machine is given it. */
  remove(name: string, options: SecretOptions = {}): Promise<Secret> {
    const { tenant, signal } = options;
    return this.#transport.json({ method: "DELETE", path: `/secrets/${encodeURIComponent(name)}`, query: { tenant }, signal });
  }
}
