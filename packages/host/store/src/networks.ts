import type { DatabaseSync } from "node:sqlite";
import { IsthmusError } from "@isthmus/contract";
import type { StoredNetwork } from "@isthmus/core";
import { jsonObject, text } from "./rows.ts";

/** The table of networks. Statements run inside the caller's transaction. */
export class NetworkTable {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  all(): StoredNetwork[] {
    return this.#db.prepare("SELECT network FROM networks ORDER BY name").all().map(networkOf);
  }

  insert(network: StoredNetwork): void {
    this.#db.prepare("INSERT INTO networks (name, network) VALUES (?, ?)").run(network.name, JSON.stringify(network));
  }

  remove(name: string): void {
    this.#db.prepare("DELETE FROM networks WHERE name = ?").run(name);
  }
}

/** Rows are written by `insert` only; one that was damaged is STORE_FAILED. */
function networkOf(row: Readonly<Record<string, unknown>>): StoredNetwork {
  const network: unknown = jsonObject(text(row.network));
  if (isNetwork(network)) return network;
  throw new IsthmusError("STORE_FAILED", { reason: "the row of a network is damaged" });
}

function isNetwork(value: unknown): value is StoredNetwork {
  if (typeof value !== "object" || value === null) return false;
  const found: Partial<Record<keyof StoredNetwork, unknown>> = value;
  const texts = [found.name, found.subnet, found.subnet6, found.createdAt];
  return texts.every((one) => typeof one === "string") && typeof found.internal === "boolean" && typeof found.labels === "object";
}
