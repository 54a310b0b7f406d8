import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { hasCode } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { launchDaemon } from "./launch.ts";
import { takeLock } from "./lock.ts";
import { failureReason, tailOf } from "./log-tail.ts";
import { type DaemonPaths, daemonPaths } from "./paths.ts";
import { probe } from "./probe.ts";
import { isAlive } from "./process.ts";
import { daemonMain } from "./program.ts";

let folder = "";
let paths: DaemonPaths;
const pids = new Set<number>();

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "isthmus-launch-"));
  paths = daemonPaths({ ISTHMUS_HOME: path.join(folder, "home"), ISTHMUS_SOCKET: path.join(folder, "run", "d.sock") });
});
afterEach(() => {
  vi.useRealTimers();
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  pids.clear();
  rmSync(folder, { recursive: true, force: true });
});

/** A program that stands in for the daemon: it notes its pid, then does what `body` says. */
function program(body: string): string {
  const file = path.join(folder, "daemon.mjs");
  const head = `import fs from "node:fs"; import net from "node:net"; fs.appendFileSync(${JSON.stringify(path.join(folder, "pids"))}, process.pid + "\\n");`;
  writeFileSync(file, `${head}\n${body}`);
  return file;
}

function started(): readonly number[] {
  const all = readFileSync(path.join(folder, "pids"), "utf8").trim().split("\n").map(Number);
  for (const pid of all) pids.add(pid);
  return all;
}

const listen = `setTimeout(() => net.createServer().listen(process.env.TEST_SOCKET), 100);`;

const DEADLINE_MS = 20_000;

function launch(main: string): Promise<"started" | "found"> {
  const env = { ...process.env, TEST_SOCKET: paths.socket };
  return launchDaemon({ paths, env, main, deadlineMs: DEADLINE_MS, answers: async () => (await probe(paths.socket)) === "listening" });
}

describe("starting the daemon", () => {
  it("waits until it answers, and finds it the next time", async () => {
    const main = program(listen);
    expect(await launch(main)).toBe("started");
    expect(await launch(main)).toBe("found");
    expect(started()).toHaveLength(1);
  });

  it("makes one daemon of several commands at once", async () => {
    const main = program(listen);
    const outcomes = await Promise.all([launch(main), launch(main), launch(main)]);
    expect(outcomes.filter((outcome) => outcome === "started")).toHaveLength(1);
    expect(started()).toHaveLength(1);
  });

  it("tells why it did not start, from its log", async () => {
    const main = program(
      `console.log(JSON.stringify({ level: 30, msg: "hello" })); console.log(JSON.stringify({ level: 60, msg: "the disk is on fire" })); process.exit(1);`,
    );
    const failed = await launch(main).catch((error: unknown) => error);
    expect(hasCode(failed, "DAEMON_START_FAILED") && failed.message).toMatch(/the disk is on fire/);
    started();
  });

  it("ends one that never answers", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const outcome = launch(program("setInterval(() => {}, 1000);")).catch((error: unknown) => error);
    await expect.poll(() => readFileSync(path.join(folder, "pids"), "utf8")).toMatch(/\n/);
    vi.setSystemTime(Date.now() + DEADLINE_MS);
    expect(hasCode(await outcome, "DAEMON_START_FAILED")).toBe(true);
    const [pid = 0] = started();
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it("gives a folder that cannot be made as the reason", async () => {
    writeFileSync(path.join(folder, "home"), "a file");
    const failed = await launch(program(listen)).catch((error: unknown) => error);
    expect(hasCode(failed, "LOCAL_FILE")).toBe(true);
  });
});

describe("the lock", () => {
  it("is held once, let go, and taken over from the dead", () => {
    const release = takeLock(paths.lock);
    expect(release).toBeTypeOf("function");
    expect(takeLock(paths.lock)).toBeUndefined();
    release?.();
    writeFileSync(paths.lock, "999999999");
    expect(takeLock(paths.lock)).toBeTypeOf("function");
    writeFileSync(paths.lock, String(process.pid));
    utimesSync(paths.lock, 1, 1);
    expect(takeLock(paths.lock)).toBeTypeOf("function");
  });
});

describe("the daemon's places", () => {
  it.each([
    [{}, 0, "/var/lib/isthmus", "/run/isthmus/isthmus.sock"],
    [{ HOME: "/people/a", XDG_RUNTIME_DIR: "/run/user/7" }, 7, "/people/a/.local/share/isthmus", "/run/user/7/isthmus/isthmus.sock"],
    [{ XDG_DATA_HOME: "/data", XDG_RUNTIME_DIR: "/r" }, 7, "/data/isthmus", "/r/isthmus/isthmus.sock"],
    [{ ISTHMUS_HOME: "/h", ISTHMUS_SOCKET: "/s" }, 0, "/h", "/s"],
  ])("%j of user %i", (env, uid, home, socket) => {
    expect(daemonPaths(env, uid)).toMatchObject({ home, socket, log: `${home}/daemon.log` });
  });

  it("include its program", () => {
    expect(readFileSync(daemonMain(), "utf8")).toContain("import");
  });
});

describe("a socket", () => {
  it("is told by who listens", async () => {
    const file = path.join(folder, "s.sock");
    expect(await probe(file)).toBe("absent");
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(file, resolve));
    expect(await probe(file)).toBe("listening");
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("the reason in a log", () => {
  it.each([
    [['{"level":30,"msg":"a"}', '{"level":50,"msg":"b","err":{"message":"c"}}', '{"level":30,"msg":"d"}'], "b: c"],
    [["plain", "TypeError: x is not a function", "    at y"], "TypeError: x is not a function"],
    [["only this"], "only this"],
    [[], undefined],
  ])("%j", (lines, reason) => {
    expect(failureReason(lines)).toBe(reason);
  });

  it("is looked for in what was written since", () => {
    const file = path.join(folder, "log");
    writeFileSync(file, "old\nnew\n");
    expect(tailOf(file, 4)).toEqual(["new"]);
    expect(tailOf(file, 100)).toEqual(["old", "new"]);
    expect(tailOf(path.join(folder, "none"))).toEqual([]);
  });
});
