import type { Token } from "@isthmus/contract";
import type { NewEvent } from "../machine/stored-events.ts";

/** A token as it is kept: its value cannot be had from it. */
export interface StoredToken extends Omit<Token, "expired"> {
  /** SHA-256 of the value, hex */
  readonly hash: string;
}

/** What the store keeps of tokens. */
export interface TokenTables {
  tokens(): readonly StoredToken[];
  insertToken(token: StoredToken, events: readonly NewEvent[]): void;
  /** A no-op when there is none. */
  deleteToken(id: string, events: readonly NewEvent[]): void;
}
