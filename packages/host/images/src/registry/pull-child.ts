import { createImageStore } from "../image-store.ts";

/** Run as a process of its own by the crash test: `node pull-child.ts FOLDER REF…` pulls and removes until it is killed, and tells what it acknowledged. */
const [folder = "", ...refs] = process.argv.slice(2);
const store = await createImageStore({ folder });

function tell(line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

tell({ ready: true });
for (let turn = 0; ; turn += 1) {
  const images = await Promise.all(refs.map((ref) => store.pull(ref)));
  for (const { digest } of images) tell({ present: digest });
  if (turn % 2 === 0) continue;
  for (const { digest } of images) {
    tell({ removing: digest });
    await store.remove(digest, { inUse: () => undefined });
  }
}
