import { randomBytes } from "node:crypto";
import { file, streamOf, tar } from "./fixtures.ts";
import { createImageStore } from "./image-store.ts";

/** Run as a process of its own by the crash tests: `node store-child.ts churn|fill FOLDER`. Prints one JSON line for each thing that was acknowledged. */
const [mode = "", folder = ""] = process.argv.slice(2);
const store = await createImageStore({ folder });
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

await (mode === "churn" ? churn() : fill());
