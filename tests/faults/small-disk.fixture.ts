import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mountTmpfs, unmount } from "../leaks/tmpfs.ts";

const MIB = 1024 * 1024;
/** for sockets, which must be made on a full disk too */
const RUN_MIB = 16;

/** longer than the 20 MB that guests write take when there is room */
const WAITING_MS = 8_000;

/** Whether what writes still does when it would have ended if there was room. */
export async function waitsForRoom(writing: Promise<unknown>): Promise<boolean> {
  return await Promise.race([writing.then(() => false), sleep(WAITING_MS, true)]);
}

/** A disk in a file that a test fills. In memory (tmpfs) even reading a template's memory would need room. */
export class SmallDisk {
  readonly #image: string;
  readonly #mib: number;
  #at: string | undefined;

  constructor(name: string, mib: number) {
    this.#image = join(tmpdir(), `${name}.ext4`);
    this.#mib = mib;
  }

  /** As the data folder of a world that is being made. */
  mount(home: string): void {
    closeSync(openSync(this.#image, "w"));
    truncateSync(this.#image, this.#mib * MIB);
    execFileSync("mkfs.ext4", ["-q", "-F", "-m", "0", "-b", "4096", this.#image]);
    execFileSync("mount", ["-o", "loop", this.#image, home]);
    this.#at = home;
    mkdirSync(join(home, "run"), { mode: 0o700 });
    mountTmpfs(join(home, "run"), RUN_MIB);
  }

  /** When its daemon has stopped. */
  unmount(): void {
    if (this.#at === undefined) return;
    unmount(join(this.#at, "run"));
    unmount(this.#at);
    rmSync(this.#image);
  }
}
