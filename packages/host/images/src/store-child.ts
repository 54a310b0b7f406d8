import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { MIB } from "@isthmus/contract";
import { file, streamOf, tar } from "./fixtures.ts";
import { createImageStore } from "./image-store.ts";

/**
 * Run as a process of its own by the crash tests: `node store-child.ts churn|fill|squeeze FOLDER [SEED TURNS]`. Prints one JSON line for each thing that was
 * acknowledged.
 */
const [mode = "", folder = "", seed = "1", turns = "0"] = process.argv.slice(2);
const options = { folder, limits: { earlyBytes: MIB } };
let store = await createImageStore(options);
const free = { inUse: (): undefined => undefined };

function tell(line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function random(bytes: number): ReturnType<typeof streamOf> {
  return streamOf(tar(file("a", randomBytes(bytes))));
}

/** Imports, tags and removes until it is killed. */
async function churn(): Promise<void> {
  tell({ ready: true });
  for (let turn = 0; ; turn += 1) {
    const { digest } = await store.importTar(random(200_000), { ref: `app:${turn}` });
    tell({ imported: digest });
    await store.tag(digest, `extra:${turn}`);
    if (turn % 3 === 2) {
      tell({ removing: digest });
      await store.remove(digest, free);
      tell({ removed: digest });
    }
  }
}

/** On a file system of 12 MiB: what does not fit, at the upload, at the packing; then what does. */
async function fill(): Promise<void> {
  for (const [ref, bytes] of [
    ["fits", 1_000_000],
    ["too-large", 20_000_000],
    ["too-large-twice", 6_500_000],
    ["fits-again", 1_000_000],
  ] as const) {
    const result = await store.importTar(random(bytes), { ref }).then(
      () => "ok",
      (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : String(error)),
    );
    tell({ ref, result });
  }
  await store.remove("fits", free);
  tell({ images: (await store.list()).length });
}

/** Takes all room of the file system but `leaveBytes`; undone by removing the file that it names. */
function occupy(leaveBytes: number): string {
  const path = join(folder, "..", "filler");
  const { bavail, bsize } = statfsSync(folder);
  const page = Buffer.alloc(bsize);
  const handle = openSync(path, "w");
  for (let pages = Math.floor(bavail - leaveBytes / bsize); pages > 0; pages -= 1) writeSync(handle, page);
  fsyncSync(handle);
  closeSync(handle);
  return path;
}

async function importOf(bytes: number, ref: string): Promise<string> {
  return await store.importTar(random(bytes), { ref }).then(
    () => "ok",
    (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : String(error)),
  );
}

/** On a file system of 24 MiB: imports that find anything from no room to enough, each followed by a removal without any room at all. */
async function squeeze(): Promise<void> {
  let state = Number(seed);
  const next = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  for (let turn = 0; turn < Number(turns); turn += 1) {
    const kept = await importOf(100_000, `kept:${turn}`);
    const bytes = 500_000 + next(4_000_000);
    const drawn = next(10_000_000);
    const room = turn === 0 ? 0 : drawn;
    const filler = occupy(room);
    const result = await importOf(bytes, `squeezed:${turn}`);
    rmSync(filler);
    occupy(0);
    // As a daemon that starts on a full disk does.
    if (next(2) === 0) store = await createImageStore(options);
    const tags = (await store.list()).flatMap((image) => image.tags);
    const removed: string[] = [];
    for (const tag of tags) removed.push(...(await store.remove(tag, free)).untagged);
    rmSync(filler);
    const after = await importOf(bytes, "after");
    tell({ bytes, room, kept, result, tags, removed, after, left: (await store.list()).length });
    await store.remove("after", free);
  }
}

await new Map([
  ["churn", churn],
  ["fill", fill],
  ["squeeze", squeeze],
]).get(mode)?.();
