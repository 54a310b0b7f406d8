import type { NewToken, Token, TokenSpec } from "@isthmus/contract";
import type { CallOptions } from "./options.ts";
import type { Transport } from "./transport.ts";

/** Who else may ask the daemon, and what each may do. It takes role admin; who is bound to a tenant sees and touches its tokens only. */
export class Tokens {
  readonly #transport: Transport;

  /** Use `isthmus.tokens`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Makes a token. The answer holds its value, which cannot be had again. Throws TOKEN_NAME_TAKEN, FORBIDDEN. */
  create(spec: TokenSpec, options: CallOptions = {}): Promise<NewToken> {
    return this.#transport.json({ method: "POST", path: "/tokens", json: spec, signal: options.signal });
  }

  /** By name, without their values. */
  async list(options: CallOptions = {}): Promise<readonly Token[]> {
    const { tokens } = await this.#transport.json<{ tokens: readonly Token[] }>({ method: "GET", path: "/tokens", signal: options.signal });
    return tokens;
  }

  /** Revokes a token, named by name or id; whoever uses it is let go of within a second. Throws TOKEN_NOT_FOUND. */
  remove(ref: string, options: CallOptions = {}): Promise<Token> {
    return this.#transport.json({ method: "DELETE", path: `/tokens/${encodeURIComponent(ref)}`, signal: options.signal });
  }
}
