import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const run = promisify(execFile);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-store-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const mayMount = await run("unshare", ["--mount", "true"]).then(
  () => true,
  () => false,
);

/** What is left is taken at once whenever some comes free, as guests do that wait for room. */
const prelude = `
  const { openSync, writeSync, rmSync } = await import("node:fs");
  const { openStore } = await import(${JSON.stringify(join(import.meta.dirname, "mod.ts"))});
  const path = process.argv[1] + "/isthmus.db";
  const filler = openSync(process.argv[1] + "/filler", "a");
  const fill = () => { for (let size = 1 << 20; size > 0; ) try { writeSync(filler, Buffer.alloc(size, 1)); } catch { size >>= 1; } };
  const code = (action) => { try { action(); return "done"; } catch (error) { return error.code; } };
  const event = { type: "machine.stopping", details: { pad: "x".repeat(300) } };
  const say = (value) => process.stdout.write(JSON.stringify(value));`;

/** What `script` says, run where the disk has 24 MiB in all. */
async function said(script: string): Promise<unknown> {
  const shell = 'mount -t tmpfs -o size=24m none "$1" && exec "$2" --input-type=module -e "$3" "$1"';
  const { stdout } = await run("unshare", ["--mount", "sh", "-c", shell, "sh", folder, process.execPath, prelude + script]);
  return JSON.parse(stdout);
}

describe.runIf(mayMount)("a full disk", () => {
  it("keeps thousands of commits from nothing, whoever takes the room that comes free", async () => {
    const commits = 3000;
    const script = `
      const store = openStore(path);
      fill();
      let lost = 0;
      for (let n = 0; n < ${commits}; n += 1) { if (code(() => store.appendEvents([event])) !== "done") lost += 1; fill(); }
      say({ lost, last: store.lastEventSeq(), create: code(() => store.insertMachine({}, [])) });`;
    expect(await said(script)).toEqual({ lost: 0, last: commits, create: "DISK_FULL" });
  });

  it("does not keep a store from opening, after a stop in order and after none", async () => {
    const script = `
      let store = openStore(path);
      store.appendEvents([event]);
      fill();
      store.close();
      const opened = code(() => { store = openStore(path); });
      const written = code(() => store.appendEvents([event]));
      fill();
      store.close();
      fill();
      const again = code(() => { store = openStore(path); });
      rmSync(process.argv[1] + "/filler");
      const { closeSync } = await import("node:fs");
      closeSync(filler);
      say({ opened, written, again, last: store.lastEventSeq(), after: code(() => store.appendEvents([event])) });`;
    expect(await said(script)).toEqual({ opened: "done", written: "done", again: "done", last: 2, after: "done" });
  });
});
