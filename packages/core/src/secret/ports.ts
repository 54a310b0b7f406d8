import type { Secret } from "@isthmus/contract";
import type { NewEvent } from "../machine/stored-events.ts";

/** A secret as it is kept. */
export interface StoredSecret extends Secret {
  /** the value, by `SecretBox` */
  readonly sealed: Buffer;
}

/** What the store keeps of secrets. */
export interface SecretTables {
  /** by tenant and name */
  secrets(): readonly StoredSecret[];
  secret(tenant: string, name: string): StoredSecret | undefined;
  insertSecret(secret: StoredSecret, events: readonly NewEvent[]): void;
  /** A no-op when there is none. */
  deleteSecret(tenant: string, name: string, events: readonly NewEvent[]): void;
}

/** Keeps values from whoever reads the store without the key. */
export interface SecretBox {
  /** `bound` is what the value belongs to: under another it cannot be opened. Throws LOCAL_FILE. */
  seal(value: Buffer, bound: string): Buffer;
  /** Throws SECRET_UNREADABLE, LOCAL_FILE. */
  open(sealed: Buffer, bound: string): Buffer;
}

/** What a workload is given besides what its spec says. */
export interface Delivery {
  /** `path`: where there is a link to it, besides /run/secrets/NAME */
  readonly files: readonly { readonly name: string; readonly path?: string; readonly bytes: Buffer }[];
  /** K=V */
  readonly env: readonly string[];
}
