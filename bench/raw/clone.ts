import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { AgentSession } from "@isthmus/agent-client";
import { booting, type RawGuest, rawArguments } from "./guest.ts";
import { RawQemu } from "./qemu.ts";
import { configure, execute, startWorkload } from "./workload.ts";

/** From the agent seeing its host go to a guest that does nothing more. */
const SETTLE_MS = 500;
/** What the engine lets a template's guest, and a zygote, do beforehand, and how often: when that changes, this must, or the floor is another's. */
const PRACTICE = ["sh", "-c", ":"];
const TEMPLATE_PRACTICES = 2;
const PREPARED_PRACTICES = 5;
const CAPABILITIES = { capabilities: ["events", "x-ignore-shared"].map((capability) => ({ capability, state: true })) };
const COMPLETED = /"status": "completed"/;
const RESUMED = /"RESUME"/;
const STOPPED = /"STOP"/;

/** A template made by hand, and the clones that are made of it by hand. */
export class RawTemplate {
  readonly #home: string;
  readonly #guest: RawGuest;

  private constructor(home: string, guest: RawGuest) {
    this.#home = home;
    this.#guest = guest;
  }

  /** Boots a guest whose memory is a file, lets it practise, stops it and saves its devices. `home` is made for it. */
  static async make(home: string, guest: RawGuest): Promise<RawTemplate> {
    await mkdir(home, { recursive: true });
    const disk = join(home, "disk");
    await promisify(execFile)("cp", ["--sparse=always", guest.disk, disk]);
    const template = new RawTemplate(home, { ...guest, disk });
    const memory = { file: template.#memory, share: "on" } as const;
    await using qemu = await RawQemu.spawn(home, (folder) => rawArguments(folder, template.#guest, booting(guest), memory));
    const session = await qemu.agent();
    for (let times = 0; times < TEMPLATE_PRACTICES; times += 1) await practise(session);
    session.close();
    await sleep(SETTLE_MS);
    const monitor = await qemu.monitor();
    await monitor.run("stop", {}, STOPPED);
    monitor.send("migrate-set-capabilities", CAPABILITIES);
    await monitor.run("migrate", { uri: `exec:exec cat >${template.#state}` }, COMPLETED);
    monitor.close();
    await promisify(execFile)("fallocate", ["--dig-holes", template.#memory]);
    return template;
  }

  get #memory(): string {
    return join(this.#home, "memory");
  }

  get #state(): string {
    return join(this.#home, "state");
  }

  /** A guest that goes on where the template stopped, and greeted. */
  async restore(): Promise<RawClone> {
    const memory = { file: this.#memory, share: "off" } as const;
    const beginning = ["-incoming", "defer"];
    const argumentsFor = (folder: string) => rawArguments(folder, this.#guest, beginning, memory);
    const qemu = await RawQemu.spawn(this.#home, argumentsFor, { state: this.#state });
    const monitor = await qemu.monitor();
    monitor.send("migrate-set-capabilities", CAPABILITIES);
    await monitor.run("migrate-incoming", { uri: "fd:3" }, COMPLETED);
    monitor.send("cont");
    return new RawClone(qemu, await qemu.agent(), monitor);
  }

  /** A clone that did what its start will ask for, and is stopped. */
  async prepare(): Promise<RawClone> {
    const clone = await this.restore();
    for (let times = 0; times < PREPARED_PRACTICES; times += 1) await practise(clone.session);
    await clone.monitor.run("stop", {}, STOPPED);
    return clone;
  }
}

async function practise(session: AgentSession): Promise<void> {
  await configure(session);
  await execute(session, PRACTICE);
}

export class RawClone implements AsyncDisposable {
  readonly qemu: RawQemu;
  readonly session: AgentSession;
  readonly monitor: Awaited<ReturnType<RawQemu["monitor"]>>;

  constructor(qemu: RawQemu, session: AgentSession, monitor: RawClone["monitor"]) {
    this.qemu = qemu;
    this.session = session;
    this.monitor = monitor;
  }

  /** Lets a prepared clone go on. */
  async wake(): Promise<void> {
    await this.monitor.run("cont", {}, RESUMED);
  }

  /** Gives it an identity and this workload. */
  async start(argv: readonly string[]): Promise<void> {
    await configure(this.session);
    await startWorkload(this.session, argv);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.session.close();
    this.monitor.close();
    await this.qemu[Symbol.asyncDispose]();
  }
}
