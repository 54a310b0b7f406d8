import { type EgressDenial, type GatewayState, hasCode, IsthmusError } from "@isthmus/contract";
import { GatewayClient, type GatewayPlace } from "./client.ts";
import { RESTART_FIRST_MS, RESTART_MOST_MS } from "./config.ts";
import { evict } from "./evict.ts";

export interface GatewaysParts {
  /** where the gateway of a network is */
  readonly place: (network: string) => GatewayPlace;
  readonly onDenied: (network: string, denial: EgressDenial) => void;
  readonly note: (network: string, text: string) => void;
}

interface Kept {
  state: GatewayState;
  client: GatewayClient | undefined;
  timer?: NodeJS.Timeout;
  /** ms before the next start, when one ended by itself */
  waitMs: number;
}

/**
 * The gateways of a host's networks: found again after a restart of the daemon, started where there is none, and started anew with the same state when one ends or hangs. One call for a
 * network at a time.
 */
export class Gateways {
  readonly #parts: GatewaysParts;
  readonly #kept = new Map<string, Kept>();
  #closed = false;

  constructor(parts: GatewaysParts) {
    this.#parts = parts;
  }

  /** Brings a state about, in a namespace that has the state's bridge and uplink. Throws INVALID_REQUEST, HOST_COMMAND_FAILED, TIMEOUT; what was in force before stays. */
  async apply(network: string, state: GatewayState): Promise<void> {
    const kept = this.#kept.get(network);
    clearTimeout(kept?.timer);
    const client = kept?.client ?? (await this.#connect(network));
    const next: Kept = { state: kept?.state ?? state, client, waitMs: RESTART_FIRST_MS };
    this.#kept.set(network, next);
    if (client !== kept?.client) this.#watch(network, next, client);
    try {
      await client.apply(state);
      next.state = state;
    } catch (error) {
      // One that hangs has its rules left in force, as one that ended.
      if (hasCode(error, "TIMEOUT")) client.kill();
      else if (!kept) this.#kept.delete(network);
      throw error;
    }
  }

  /** Ends a network's gateway, also one that an earlier daemon started, and its rules with it; a no-op when there is none. Throws HOST_COMMAND_FAILED. */
  async remove(network: string): Promise<void> {
    const kept = this.#kept.get(network);
    clearTimeout(kept?.timer);
    this.#kept.delete(network);
    const client = kept?.client ?? (await this.#found(network));
    try {
      await client?.stop();
    } catch (error) {
      if (!hasCode(error, "TIMEOUT", "PROTOCOL")) throw error;
      client?.kill();
    }
  }

  /** Leaves all gateways, which go on. */
  close(): void {
    this.#closed = true;
    for (const { client, timer } of this.#kept.values()) {
      clearTimeout(timer);
      client?.close();
    }
    this.#kept.clear();
  }

  async #connect(network: string): Promise<GatewayClient> {
    const place = this.#parts.place(network);
    return (await this.#found(network)) ?? (await GatewayClient.start(place));
  }

  async #found(network: string): Promise<GatewayClient | undefined> {
    try {
      return await GatewayClient.find(this.#parts.place(network).socket);
    } catch (error) {
      // One of another version cannot be spoken to.
      this.#parts.note(network, `its gateway is replaced: ${IsthmusError.from(error).message}`);
      await evict(this.#parts.place(network).socket);
      return undefined;
    }
  }

  #watch(network: string, kept: Kept, client: GatewayClient): void {
    const tell = async (): Promise<void> => {
      for await (const denial of client.denials()) this.#parts.onDenied(network, denial);
    };
    tell().catch((error: unknown) => this.#parts.note(network, `its refusals are not told any more: ${IsthmusError.from(error).message}`));
    void client.closed.then(() => {
      if (this.#closed || this.#kept.get(network)?.client !== client) return;
      this.#parts.note(network, "its gateway ended, and is started anew");
      const now = this.#kept.get(network) ?? kept;
      now.client = undefined;
      this.#again(network, now);
    });
  }

  #again(network: string, kept: Kept): void {
    kept.timer = setTimeout(() => {
      this.#restart(network, kept).catch((error: unknown) => {
        this.#parts.note(network, `its gateway cannot be started: ${IsthmusError.from(error).message}`);
        if (this.#kept.get(network) === kept && !this.#closed) this.#again(network, kept);
      });
    }, kept.waitMs);
    kept.waitMs = Math.min(kept.waitMs * 2, RESTART_MOST_MS);
  }

  async #restart(network: string, kept: Kept): Promise<void> {
    const client = await this.#connect(network);
    if (this.#closed || this.#kept.get(network) !== kept) return client.close();
    kept.client = client;
    this.#watch(network, kept, client);
    await client.apply(kept.state);
    this.#parts.note(network, `its gateway runs again (pid ${client.pid})`);
  }
}
