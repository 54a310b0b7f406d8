import { execFile } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { debianRegistry } from "../../packages/host/images/src/registry/debian-registry.fixture.ts";
import { informed, paired, type Result } from "../result.ts";
import { type BenchWorld, time } from "../world.ts";

const run = promisify(execFile);
const MIN_RATIO = 1;
/** folders of this host that become a layer each, lowest first */
const layers = ["usr/share/perl", "usr/lib/gcc", "usr/share/zoneinfo", "usr/lib/python3"] as const;

/** Makes an image of one layer for each folder, and a second one that has another layer on top. */
async function makeImages(layout: string, folder: string): Promise<void> {
  const bundle = join(folder, "bundle");
  await run("umoci", ["init", "--layout", layout]);
  await run("umoci", ["new", "--image", `${layout}:one`]);
  for (const [index, source] of [...layers, "usr/share/doc/perl"].entries()) {
    await run("umoci", ["unpack", "--image", `${layout}:one`, bundle]);
    await run("cp", ["-a", "--parents", join("/", source), join(bundle, "rootfs")]).catch(() => undefined);
    await run("umoci", ["repack", "--image", index < layers.length ? `${layout}:one` : `${layout}:two`, bundle]);
    await rm(bundle, { recursive: true, force: true });
  }
}

async function byHand(source: string, folder: string): Promise<void> {
  const copy = join(folder, "copy");
  const bundle = join(folder, "unpacked");
  await run("skopeo", ["copy", "--src-tls-verify=false", `docker://${source}`, `oci:${copy}:one`]);
  await run("umoci", ["unpack", "--image", `${copy}:one`, bundle]);
  await run("mksquashfs", [join(bundle, "rootfs"), join(folder, "rootfs.squashfs"), "-comp", "lz4", "-quiet", "-no-progress"]);
  for (const made of [copy, bundle, join(folder, "rootfs.squashfs")]) await rm(made, { recursive: true, force: true });
}

/**
 * Pull of an image of several gzip layers until a machine could start from it, against what is done by hand for the same: `skopeo copy`, `umoci unpack`, `mksquashfs` with the
 * same compression; one after the other in each round, from the same registry on this host. By hand nothing is synced. MB are of uncompressed content.
 */
export async function suite(world: BenchWorld, rounds: number): Promise<readonly Result[]> {
  const folder = join(world.home, "images-bench");
  await mkdir(folder, { recursive: true });
  await using registry = await debianRegistry(folder);
  const layout = join(folder, "layout");
  await makeImages(layout, folder);
  const [one, two] = ["one", "two"].map((tag) => `${registry.host}/app:${tag}`) as [string, string];
  for (const [tag, ref] of [["one", one] as const, ["two", two] as const])
    await run("skopeo", ["copy", "--dest-tls-verify=false", `oci:${layout}:${tag}`, `docker://${ref}`]);
  const ours: number[] = [];
  const hands: number[] = [];
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const hand = await time(() => byHand(one, folder));
    const mine = await time(() => world.isthmus.images.pull(one));
    const megabytes = (await world.isthmus.images.inspect(one)).sizeBytes / 1_000_000;
    hands.push(megabytes / (hand / 1000));
    ours.push(megabytes / (mine / 1000));
    seconds.push(await time(() => world.isthmus.images.pull(two)));
    for (const ref of [one, two]) await world.isthmus.images.remove(ref);
  }
  const pull = paired("pull until usable", "MB/s", ours, hands, MIN_RATIO, true);
  return [pull, informed("pull of an image that shares all layers but a small one", "ms", seconds)];
}
