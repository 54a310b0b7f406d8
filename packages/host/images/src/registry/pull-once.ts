import { createImageStore } from "../image-store.ts";

/** Run as a process of its own by the test of large images: `node pull-once.ts FOLDER REF` pulls and tells the digest, what came over the network and what memory it took. */
const [folder = "", ref = ""] = process.argv.slice(2);
const store = await createImageStore({ folder });
const came = new Map<string, number>();
const { digest } = await store.pull(ref, {
  onProgress: ({ step, item, doneBytes }) => {
    if (step === "download" && item !== undefined) came.set(item, doneBytes ?? 0);
  },
});
const downloadedBytes = [...came.values()].reduce((sum, bytes) => sum + bytes, 0);
process.stdout.write(JSON.stringify({ digest, downloadedBytes, maxRssBytes: process.resourceUsage().maxRSS * 1024 }));
