import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { paired, type Result } from "../result.ts";
import { type BenchWorld, time } from "../world.ts";

const run = promisify(execFile);
const MIN_RATIO = 0.5;

/**
 * Import of a tar of programs and small files of this host as a root file system, against `mksquashfs` by hand on the same tar with the same compression,
 * one after the other in each round. By hand nothing is checked, kept as a blob or synced.
 */
export async function suite(world: BenchWorld, rounds: number): Promise<readonly Result[]> {
  const archive = join(world.home, "input.tar");
  await run("tar", ["-C", "/", "--ignore-failed-read", "-cf", archive, "usr/share/perl", "usr/share/zoneinfo", "usr/lib/gcc"]);
  const megabytes = (await stat(archive)).size / 1_000_000;
  const ours: number[] = [];
  const byHand: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const rootfs = join(world.home, `by-hand-${round}.squashfs`);
    const hand = await time(() =>
      run("sh", ["-c", 'exec mksquashfs - "$2" -tar -comp lz4 -quiet -no-progress <"$1"', "sh", archive, rootfs], { maxBuffer: 1 << 26 }),
    );
    await rm(rootfs);
    byHand.push(megabytes / (hand / 1000));
    const ref = `bench-${round}`;
    const mine = await time(() => world.isthmus.images.import(createReadStream(archive), { ref }));
    ours.push(megabytes / (mine / 1000));
    await world.isthmus.images.remove(ref);
  }
  return [paired("image import", "MB/s", ours, byHand, MIN_RATIO, true)];
}
