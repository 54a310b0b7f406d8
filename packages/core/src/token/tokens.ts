import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { IsthmusError, limits, type NewToken, type Token, type TokenSpec } from "@isthmus/contract";
import type { Caller } from "../access/caller.ts";
import type { Clock } from "../machine/ports.ts";
import { checkTenant } from "../quota/tenant.ts";
import { EXPIRY_LOOK_MS, TOKEN_ID_BYTES, TOKEN_SECRET_BYTES } from "./config.ts";
import type { StoredToken, TokenTables } from "./ports.ts";

/** What can be done with tokens. Who is bound to a tenant sees and touches that tenant's tokens only. */
export interface TokenActions {
  /** The answer holds the value, which is kept nowhere. Throws TOKEN_NAME_TAKEN, FORBIDDEN, INVALID_NAME, TOO_LARGE. */
  create(spec: TokenSpec, by: Caller): NewToken;
  /** By name. */
  list(by: Caller): readonly Token[];
  /** By name or id. Whoever uses it is let go of at once. Throws TOKEN_NOT_FOUND. */
  remove(ref: string, by: Caller): Token;
  /** Who sends this value. Throws UNAUTHORIZED, in a time that says nothing about how near it came. */
  authenticate(value: string): Caller;
}

/** The id is part of the value, so that one hash is compared, whatever the number of tokens. */
const form = /^isth_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;
const hashOf = (value: string) => createHash("sha256").update(value).digest();
const nobody: StoredToken = { id: "", name: "", role: "viewer", createdAt: "", hash: "0".repeat(64) };

interface Use {
  readonly caller: Caller;
  end(): void;
}

export class Tokens implements TokenActions {
  readonly #store: TokenTables;
  readonly #clock: Clock;
  readonly #known = new Map<string, StoredToken>();
  /** of tokens that were used */
  readonly #uses = new Map<string, Use>();

  constructor(store: TokenTables, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    for (const token of store.tokens()) this.#known.set(token.id, token);
  }

  create(spec: TokenSpec, by: Caller): NewToken {
    const tenant = spec.tenant ?? by.tenant;
    if (by.tenant !== undefined && tenant !== by.tenant)
      throw new IsthmusError("FORBIDDEN", { who: by.who, needed: "a token of the whole host" });
    if (tenant !== undefined) checkTenant(tenant);
    if (this.#known.size >= limits.tokens)
      throw new IsthmusError("TOO_LARGE", { field: "the number of tokens", value: this.#known.size + 1, limit: limits.tokens });
    for (const { name } of this.#known.values()) if (name === spec.name) throw new IsthmusError("TOKEN_NAME_TAKEN", { name });
    const id = randomBytes(TOKEN_ID_BYTES).toString("hex");
    const value = `isth_${id}_${randomBytes(TOKEN_SECRET_BYTES).toString("base64url")}`;
    const now = this.#clock.now();
    const stored: StoredToken = {
      id,
      name: spec.name,
      role: spec.role,
      ...(tenant === undefined ? {} : { tenant }),
      createdAt: new Date(now).toISOString(),
      ...(spec.expiresInMs === undefined ? {} : { expiresAt: new Date(now + spec.expiresInMs).toISOString() }),
      hash: hashOf(value).toString("hex"),
    };
    const { name, role, expiresAt } = stored;
    this.#store.insertToken(stored, [{ type: "token.created", tenant, details: { token: id, name, role, tenant, expiresAt, by: by.who } }]);
    this.#known.set(id, stored);
    return { token: this.#shown(stored), value };
  }

  list(by: Caller): readonly Token[] {
    const own = [...this.#known.values()].filter((token) => by.tenant === undefined || token.tenant === by.tenant);
    return own.map((token) => this.#shown(token)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  remove(ref: string, by: Caller): Token {
    const found = this.list(by).find(({ id, name }) => id === ref || name === ref);
    if (found === undefined) throw new IsthmusError("TOKEN_NOT_FOUND", { ref });
    const { id, name, tenant } = found;
    this.#store.deleteToken(id, [{ type: "token.removed", tenant, details: { token: id, name, by: by.who } }]);
    this.#known.delete(id);
    this.#uses.get(id)?.end();
    return found;
  }

  authenticate(value: string): Caller {
    const id = form.exec(value)?.[1] ?? "";
    const token = this.#known.get(id) ?? nobody;
    const same = timingSafeEqual(hashOf(value), Buffer.from(token.hash, "hex"));
    if (!same || token === nobody || this.#expired(token)) throw new IsthmusError("UNAUTHORIZED");
    return this.#use(token).caller;
  }

  #expired({ expiresAt }: Pick<Token, "expiresAt">): boolean {
    return expiresAt !== undefined && Date.parse(expiresAt) <= this.#clock.now();
  }

  #shown({ hash: _kept, ...token }: StoredToken): Token {
    return { ...token, expired: this.#expired(token) };
  }

  #use(token: StoredToken): Use {
    const known = this.#uses.get(token.id);
    if (known !== undefined) return known;
    const over = new AbortController();
    let cancel: () => void = () => undefined;
    const use: Use = {
      caller: { who: `token ${token.name}`, role: token.role, tenant: token.tenant, over: over.signal },
      end: () => {
        cancel();
        this.#uses.delete(token.id);
        over.abort(new IsthmusError("UNAUTHORIZED"));
      },
    };
    const look = () => {
      if (this.#expired(token)) return use.end();
      const left = Date.parse(token.expiresAt ?? "") - this.#clock.now();
      cancel = this.#clock.after(Math.min(left, EXPIRY_LOOK_MS), look);
    };
    this.#uses.set(token.id, use);
    if (token.expiresAt !== undefined) look();
    return use;
  }
}
