import { access } from "node:fs/promises";
import { join } from "node:path";
import { ip, run } from "./commands.ts";
import { BRIDGE, NAMESPACES } from "./config.ts";
import { links } from "./links.ts";
import type { NetworkNames } from "./names.ts";

/**
 * Where taps of machines are that run and are on no network: an engine cannot open another one, so they must not go while their machines may come onto a network again. A namespace without a bridge, in
 * which nothing leads anywhere; it is there while a tap is in it. One change at a time, for all networks of a daemon come here.
 */
export class Parking {
  readonly namespace: string;
  readonly #mark: string;
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ namespace, mark }: Pick<NetworkNames, "namespace" | "mark">) {
    this.namespace = namespace;
    this.#mark = mark;
  }

  /** Takes taps off a network. Throws HOST_COMMAND_FAILED. */
  put(from: string, taps: readonly string[]): Promise<void> {
    return this.#queue(async () => {
      if (taps.length === 0) return;
      await this.#make();
      const present = await links(this.namespace);
      // What has the same name and is not here is left from an earlier run of the machine.
      const lines = taps.map((tap) => (present.has(tap) ? `link del ${tap}` : `link set ${tap} netns ${this.namespace}`));
      await ip(from, lines);
    });
  }

  /** Puts those of these taps that are here onto a network; their names. Throws HOST_COMMAND_FAILED. */
  claim(to: string, taps: readonly string[]): Promise<readonly string[]> {
    return this.#queue(async () => {
      if (taps.length === 0 || !(await this.#isThere())) return [];
      const present = await links(this.namespace);
      const here = taps.filter((tap) => present.has(tap));
      await ip(
        this.namespace,
        here.map((tap) => `link set ${tap} netns ${to}`),
      );
      await ip(
        to,
        here.map((tap) => `link set ${tap} master ${BRIDGE} up`),
      );
      return here;
    });
  }

  /** A tap for a machine that is about to start; a no-op when it is here. Throws HOST_COMMAND_FAILED. */
  add(tap: string): Promise<void> {
    return this.#queue(async () => {
      await this.#make();
      if (!(await links(this.namespace)).has(tap)) await ip(this.namespace, [`tuntap add dev ${tap} mode tap vnet_hdr`]);
    });
  }

  /** Removes all but these; whether any are here then. Throws HOST_COMMAND_FAILED. */
  keep(taps: ReadonlySet<string>): Promise<boolean> {
    return this.#queue(async () => {
      if (!(await this.#isThere())) return false;
      const here = [...(await links(this.namespace)).keys()].filter((name) => name.startsWith("tap"));
      const gone = here.filter((tap) => !taps.has(tap));
      await ip(
        this.namespace,
        gone.map((tap) => `link del ${tap}`),
      );
      if (gone.length < here.length) return true;
      await run("ip", ["netns", "del", this.namespace]);
      return false;
    });
  }

  async #make(): Promise<void> {
    if (!(await this.#isThere())) await run("ip", ["netns", "add", this.namespace]);
    await ip(this.namespace, [`link set dev lo alias ${this.#mark}`]);
  }

  async #isThere(): Promise<boolean> {
    return await access(join(NAMESPACES, this.namespace)).then(
      () => true,
      () => false,
    );
  }

  #queue<T>(job: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(job);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
