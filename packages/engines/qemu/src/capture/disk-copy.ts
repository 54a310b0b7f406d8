import { IsthmusError } from "@isthmus/contract";
import { DISK_COPY_DEADLINE_MS } from "../config.ts";
import type { Monitor } from "../monitor/monitor.ts";
import { synced } from "./devices.ts";
import { createQcow2 } from "./qcow2.ts";

/** Names of the copy's node and job in QEMU. */
const COPY = "copy";

/**
 * A copy of the disk as it is when `begin` is called, made while the guest goes on: QEMU copies what the guest is about to overwrite before it does (the `backup` block job,
 * docs/interop/live-block-operations.rst).
 */
export class DiskCopy {
  readonly #monitor: Monitor;
  readonly #path: string;
  readonly #over: Promise<string | undefined>;

  private constructor(monitor: Monitor, path: string, over: Promise<string | undefined>) {
    this.#monitor = monitor;
    this.#path = path;
    this.#over = over;
  }

  /** Everything that can be done before the guest is stopped. */
  static async prepare(monitor: Monitor, path: string, sizeBytes: number): Promise<DiskCopy> {
    await createQcow2(path, sizeBytes);
    await DiskCopy.clear(monitor);
    await monitor.execute("blockdev-add", { driver: "qcow2", "node-name": COPY, file: { driver: "file", filename: path } });
    const over = monitor
      .once("BLOCK_JOB_COMPLETED", DISK_COPY_DEADLINE_MS)
      .then(({ error }) => (typeof error === "string" ? error : undefined));
    over.catch(() => {});
    return new DiskCopy(monitor, path, over);
  }

  /** What is left of a copy whose daemon died. */
  static async clear(monitor: Monitor): Promise<void> {
    await monitor.execute("block-job-cancel", { device: COPY, force: true }).catch(() => {});
    for (let look = 0; look < CLEAR_LOOKS; look += 1) {
      const gone = await monitor.execute("blockdev-del", { "node-name": COPY }).then(
        () => true,
        (error: unknown) => /Failed to find/i.test(String(error)),
      );
      if (gone) return;
      await new Promise((resolve) => setTimeout(resolve, CLEAR_PAUSE_MS));
    }
  }

  async begin(): Promise<void> {
    await this.#monitor.execute("blockdev-backup", { "job-id": COPY, device: "disk", target: COPY, sync: "full" });
  }

  /** Waits until all of it is copied and durable. Throws HOST_COMMAND_FAILED, TIMEOUT. */
  async finish(): Promise<void> {
    const error = await this.#over;
    await this.#monitor.execute("blockdev-del", { "node-name": COPY });
    if (error !== undefined) throw new IsthmusError("HOST_COMMAND_FAILED", { program: "QEMU's blockdev-backup", reason: error });
    await synced(this.#path);
  }
}

const CLEAR_LOOKS = 50;
const CLEAR_PAUSE_MS = 20;
