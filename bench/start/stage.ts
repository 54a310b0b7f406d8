import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { defaults } from "@isthmus/contract";
import { RawTemplate } from "../raw/clone.ts";
import { guestOf } from "../raw/guest.ts";
import { BenchWorld } from "../world.ts";
import { IDLE, MEMORY_OVERCOMMIT, POOL_DEADLINE_MS, POOL_POLL_MS, SPEC } from "./config.ts";

/** What the figures of this suite are measured on: a daemon with pools, one whose machines are forks of a zygote, one whose are restored, and a template made by hand of the same kernel, agent and rootfs. */
export class Stage implements AsyncDisposable {
  readonly pooled: BenchWorld;
  readonly forked: BenchWorld;
  readonly restored: BenchWorld;
  readonly raw: RawTemplate;
  /** that machines and raw clones alike have as their root */
  readonly rootfs: string;
  /** for each figure; a race does more */
  readonly rounds: number;

  private constructor(parts: Pick<Stage, "pooled" | "forked" | "restored" | "raw" | "rootfs" | "rounds">) {
    this.pooled = parts.pooled;
    this.forked = parts.forked;
    this.restored = parts.restored;
    this.raw = parts.raw;
    this.rootfs = parts.rootfs;
    this.rounds = parts.rounds;
  }

  static async set(pooled: BenchWorld, rounds: number): Promise<Stage> {
    const restored = await BenchWorld.start({ ISTHMUS_TEMPLATES: "off" });
    const model = await restored.isthmus.machines.run({ ...SPEC, command: ["sleep", "1000"] });
    const guest = guestOf(model.info.pid ?? 0, join(restored.home, "disks", `empty-${defaults.diskBytes}.ext4`));
    await model.remove({ force: true });
    const overcommit = { ISTHMUS_MEMORY_OVERCOMMIT: String(MEMORY_OVERCOMMIT) };
    await restored.restart({ ...overcommit, ISTHMUS_POOLS: "off" });
    await restored.isthmus.templates.warm({ ...SPEC });
    const forked = await BenchWorld.start({ ...overcommit, ISTHMUS_POOL_MAX: "0" });
    await forked.isthmus.templates.warm({ ...SPEC });
    const raw = await RawTemplate.make(join(restored.home, "raw"), guest);
    const stage = new Stage({ pooled, forked, restored, raw, rootfs: guest.rootfs, rounds });
    await stage.zygoteIsThere();
    return stage;
  }

  /** Waits until a machine is forked, of the daemon whose machines are. */
  async zygoteIsThere(): Promise<void> {
    for (const deadline = performance.now() + POOL_DEADLINE_MS; performance.now() < deadline; await sleep(POOL_POLL_MS)) {
      const machine = await this.forked.isthmus.machines.run({ ...SPEC, command: [...IDLE] });
      const { startedFrom } = await machine.inspect();
      await machine.remove({ force: true });
      if (startedFrom === "zygote") return;
    }
    throw new Error(`there was no zygote within ${POOL_DEADLINE_MS} ms`);
  }

  /** Waits until the pool has filled up: nothing is prepared while a start is measured. Throws when it never does. */
  async poolIsFull(): Promise<void> {
    const deadline = performance.now() + POOL_DEADLINE_MS;
    // A pool that nobody took from for minutes is given back; a start brings it again.
    if ((await this.#prepared()) === 0) {
      const machine = await this.pooled.isthmus.machines.run({ ...SPEC, command: [...IDLE] });
      await machine.remove({ force: true });
    }
    let last = -1;
    for (let quiet = 0; quiet < POOL_QUIET_LOOKS; ) {
      if (performance.now() > deadline) throw new Error(`the pool did not settle within ${POOL_DEADLINE_MS} ms; it holds ${last}`);
      const prepared = await this.#prepared();
      quiet = prepared > 0 && prepared === last ? quiet + 1 : 0;
      last = prepared;
      await sleep(POOL_POLL_MS);
    }
  }

  async #prepared(): Promise<number> {
    const [template] = await this.pooled.isthmus.templates.list();
    return template?.prepared ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.forked[Symbol.asyncDispose]();
    await this.restored[Symbol.asyncDispose]();
  }
}

/** A clone takes most of a second to prepare: a pool that has not changed for longer is not being filled. */
const POOL_QUIET_LOOKS = 24;
