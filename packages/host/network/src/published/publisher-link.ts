import { rm } from "node:fs/promises";
import { join } from "node:path";
import { hasCode, IsthmusError } from "@isthmus/contract";
import { PUBLISHER_TRIES } from "../config.ts";
import { PublisherClient, type PublisherPlace } from "../publisher/client.ts";

export interface PublisherLinkOptions {
  readonly home: string;
  /** of the publisher's socket and log, which are there while it is */
  readonly runFolder: string;
  /** Called when a publisher has ended that nobody told to. */
  readonly lost: () => void;
}

/** The one publisher of a daemon: started when it is needed first, ended when it is told. One use at a time, in the order of the calls. */
export class PublisherLink {
  readonly #place: PublisherPlace;
  readonly #lost: () => void;
  #client: PublisherClient | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor({ home, runFolder, lost }: PublisherLinkOptions) {
    this.#place = { home, socket: join(runFolder, "publisher.sock"), log: join(runFolder, "publisher.log") };
    this.#lost = lost;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * One that ends meanwhile, or is just ending, is not the caller's doing: `job` is done with the next, so often at most. Throws HOST_COMMAND_FAILED, TIMEOUT when none can be
   * started, SHUTTING_DOWN, and what `job` throws.
   */
  use<T>(job: (publisher: PublisherClient) => Promise<T>): Promise<T> {
    return this.#queue(async () => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await answered(await this.#opened(), job);
        } catch (error) {
          if (!hasCode(error, "PROTOCOL", "SHUTTING_DOWN") || this.#closed || tries === PUBLISHER_TRIES) throw error;
        }
      }
    });
  }

  /** As `use`, where a publisher is there; else undefined. */
  ifThere<T>(job: (publisher: PublisherClient) => Promise<T>): Promise<T | undefined> {
    return this.#queue(async () => (this.#client === undefined ? undefined : await answered(this.#client, job)));
  }

  /** As `use` of the publisher that an earlier daemon left; does nothing where there is none. */
  find(job: (publisher: PublisherClient) => Promise<void>): Promise<void> {
    return this.#queue(async () => {
      const found = await PublisherClient.find(this.#place);
      if (found === undefined) return await this.#tidy();
      this.#hold(found);
      await answered(found, job);
    });
  }

  /** Ends the publisher, if there is one and `idle` says so when it is its turn. */
  endIf(idle: () => boolean): Promise<void> {
    return this.#queue(async () => {
      const client = this.#client;
      if (client === undefined || !idle()) return;
      this.#client = undefined;
      try {
        await client.stop();
      } catch (error) {
        client.kill();
        // It was ending already.
        if (!hasCode(error, "SHUTTING_DOWN")) throw error;
      } finally {
        await this.#tidy();
      }
    });
  }

  /** Leaves the publisher to the next daemon. */
  close(): void {
    this.#closed = true;
    this.#client?.close();
  }

  async #opened(): Promise<PublisherClient> {
    if (this.#client !== undefined) return this.#client;
    const client = await PublisherClient.open(this.#place);
    this.#hold(client);
    return client;
  }

  #hold(client: PublisherClient): void {
    this.#client = client;
    void client.closed.then(() => {
      if (this.#client !== client) return;
      this.#client = undefined;
      if (!this.#closed) this.#lost();
    });
  }

  async #tidy(): Promise<void> {
    for (const path of [this.#place.socket, this.#place.log]) await rm(path, { force: true });
  }

  #queue<T>(job: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => {
      if (this.#closed) throw new IsthmusError("SHUTTING_DOWN");
      return job();
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** One that says nothing, or what it was not asked for, or that it is ending, is ended, for the next one to do better. */
async function answered<T>(publisher: PublisherClient, job: (publisher: PublisherClient) => Promise<T>): Promise<T> {
  try {
    return await job(publisher);
  } catch (error) {
    if (hasCode(error, "TIMEOUT", "PROTOCOL", "SHUTTING_DOWN")) {
      publisher.kill();
      await publisher.closed;
    }
    throw error;
  }
}
