import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { evict } from "./evict.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-control-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Listens, and says so. */
const LISTENS = 'require("node:net").createServer().listen(process.argv[2], () => console.log("listens"))';

it("ends a process of ours that is stopped and can say nothing, and no other", async () => {
  const path = join(folder, "control.sock");
  const child = spawn(process.execPath, ["-e", LISTENS, "--", "--socket", path], { stdio: ["ignore", "pipe", "inherit"] });
  const bystander = spawn("sleep", ["60"], { argv0: path });
  try {
    await once(child.stdout, "data");
    child.kill("SIGSTOP");
    await evict(path);
    await expect.poll(() => [child.signalCode, bystander.signalCode]).toEqual(["SIGKILL", null]);
    expect(existsSync(path)).toBe(false);
  } finally {
    child.kill("SIGKILL");
    bystander.kill("SIGKILL");
  }
});
