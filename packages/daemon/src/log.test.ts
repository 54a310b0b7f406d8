import { execFile } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LOG_ROTATE_BYTES } from "./config.ts";
import { openLog, setAside } from "./log.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-log-"));
  file = join(folder, "daemon.log");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it("sets a log aside that is too large, and whoever holds it open writes on in the new one", () => {
  writeFileSync(file, "x".repeat(100));
  const held = openSync(file, "a");
  setAside(file, 100);
  expect(readFileSync(file)).toHaveLength(100);
  setAside(file, 99);
  writeSync(held, "after\n");
  closeSync(held);
  expect([readFileSync(file, "utf8"), readFileSync(`${file}.1`, "utf8")]).toEqual(["after\n", "x".repeat(100)]);
});

it("begins small after a daemon that wrote much, and keeps secrets out", () => {
  writeFileSync(file, Buffer.alloc(LOG_ROTATE_BYTES + 1, "y"));
  openLog(file, "info").info({ headers: { authorization: "Bearer sesame" } }, "hello");
  const text = readFileSync(file, "utf8");
  expect(JSON.parse(text)).toMatchObject({ msg: "hello", headers: { authorization: "[Redacted]" } });
  expect(readFileSync(`${file}.1`)).toHaveLength(LOG_ROTATE_BYTES + 1);
});

it("neither ends a process nor keeps it from ending when the disk takes nothing", async () => {
  const script = `const { openLog } = await import(${JSON.stringify(join(import.meta.dirname, "log.ts"))});
    const log = openLog("/dev/full", "info");
    for (let line = 0; line < 3; line += 1) log.info({ line }, "hello");
    process.stdout.write("on");
    process.exit(3);`;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { timeout: 20_000, killSignal: "SIGKILL" });
  await expect(run).rejects.toMatchObject({ code: 3, stdout: "on" });
});
