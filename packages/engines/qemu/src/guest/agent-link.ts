import { setTimeout as sleep } from "node:timers/promises";
import { AgentSession } from "@isthmus/agent-client";
import { IsthmusError } from "@isthmus/contract";
import {
  BACKGROUND_RECONNECT_MAX_MS,
  BACKGROUND_RECONNECT_MIN_MS,
  BOOT_GREETING_MS,
  RECONNECT_DEADLINE_MS,
  RECONNECT_GREETING_MS,
  RECONNECT_PAUSE_MS,
} from "../config.ts";
import { connectSocket } from "./connecting.ts";

/**
 * The way to one guest's agent. A lost session is connected anew: at once for a request, and by itself after a while, because a guest whose output
 * nobody attends drops what exceeds its limit.
 */
export class AgentLink {
  #path: string;
  #name: string;
  readonly #stop = new AbortController();
  #session: AgentSession | undefined;
  #connecting: Promise<AgentSession> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dropped = false;
  /** the connection before ended without a greeting, which may yet come */
  #ungreeted = false;
  #backoffMs = BACKGROUND_RECONNECT_MIN_MS;

  constructor(path: string, name: string) {
    this.#path = path;
    this.#name = name;
  }

  /** The open session, or a new one within the deadline. One attempt serves all who wait. `greetingMs`: for the first greeting. Throws AGENT_UNREACHABLE, AGENT_PROTOCOL. */
  async session(deadlineMs = RECONNECT_DEADLINE_MS, greetingMs = RECONNECT_GREETING_MS): Promise<AgentSession> {
    const giveUpAt = performance.now() + deadlineMs;
    for (;;) {
      if (this.#session?.open) return this.#session;
      try {
        return await this.#joined(giveUpAt, greetingMs);
      } catch (error) {
        // Perhaps it was the attempt of another, who had less time.
        if (this.closed || performance.now() + RECONNECT_PAUSE_MS >= giveUpAt) throw error;
      }
    }
  }

  /** The first session of a guest that has just been spawned. `onSocket` is called when QEMU has taken the connection. */
  async boot(deadlineMs: number, onSocket?: () => void): Promise<AgentSession> {
    return await this.#joined(performance.now() + deadlineMs, BOOT_GREETING_MS, onSocket);
  }

  /** The guest became another machine, and its socket was moved; an open session goes on. */
  moved(path: string, name: string): void {
    this.#path = path;
    this.#name = name;
    this.#session?.rename(name);
  }

  /** Keeps trying in the background; called by itself when a session is lost. */
  keep(): void {
    if (this.#stop.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.session().catch(() => this.keep());
    }, this.#backoffMs).unref();
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKGROUND_RECONNECT_MAX_MS);
  }

  /** Ends the session; a later request, or `keep`, begins another. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#dropped = true;
    this.#session?.close();
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Lets go for good; the guest goes on. */
  close(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#session?.close();
  }

  async #joined(giveUpAt: number, greetingMs: number, onSocket?: () => void): Promise<AgentSession> {
    this.#connecting ??= this.#connect(giveUpAt, greetingMs, onSocket).finally(() => {
      this.#connecting = undefined;
    });
    return await this.#connecting;
  }

  /** Waits longer for each greeting: a guest that did not notice the change of clients greets at the next one, a slow guest is given time. */
  async #connect(giveUpAt: number, firstGreetingMs: number, onSocket?: () => void): Promise<AgentSession> {
    const signal = this.#stop.signal;
    for (let greetingMs = firstGreetingMs; ; greetingMs *= 2) {
      if (signal.aborted) throw this.#unreachable("it was let go", signal.reason);
      const leftMs = Math.max(1, giveUpAt - performance.now());
      try {
        const socket = await connectSocket(this.#path, { deadlineMs: leftMs, failure: this.#unreachable, signal });
        onSocket?.();
        const greetingDeadlineMs = Math.ceil(Math.min(greetingMs, leftMs, BOOT_GREETING_MS));
        const session = await AgentSession.open(socket, { name: this.#name, greetingDeadlineMs, signal });
        // That may have been the greeting of the connection before.
        if (this.#ungreeted) await tried(session, greetingDeadlineMs, signal);
        this.#ungreeted = false;
        return this.#take(session);
      } catch (error) {
        this.#ungreeted = true;
        if (signal.aborted) throw this.#unreachable("it was let go", error);
        if (performance.now() + RECONNECT_PAUSE_MS >= giveUpAt) throw error;
      }
      await sleep(RECONNECT_PAUSE_MS);
    }
  }

  readonly #unreachable = (reason: string, cause: unknown): IsthmusError =>
    new IsthmusError("AGENT_UNREACHABLE", { name: this.#name, reason }, { cause });

  #take(session: AgentSession): AgentSession {
    this.#session = session;
    this.#backoffMs = BACKGROUND_RECONNECT_MIN_MS;
    this.#dropped = false;
    void session.closed.then(() => {
      if (!this.#dropped) this.keep();
    });
    return session;
  }
}

/** Throws AGENT_UNREACHABLE, CANCELLED; the session is closed then. */
async function tried(session: AgentSession, deadlineMs: number, signal: AbortSignal): Promise<void> {
  try {
    await session.request("ping", {}, { deadlineMs, signal });
  } catch (error) {
    session.close();
    throw error;
  }
}
