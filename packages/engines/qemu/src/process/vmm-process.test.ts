import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEnd } from "@isthmus/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KILL_DEADLINE_MS, VMM_NICENESS } from "../config.ts";
import { processArguments, processStatus } from "./proc.ts";
import { spawnVmm } from "./spawn.ts";
import { VmmProcess, vmmWords } from "./vmm-process.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "isthmus-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("a VMM process", () => {
  it("runs in a session of its own and tells how it ended", async () => {
    const vmm = await spawnVmm("sleep", ["60"], folder);
    expect(processStatus(vmm.pid)?.startTime).toBe(vmm.startTime);
    expect(await processArguments(vmm.pid)).toEqual(["sleep", "60"]);
    await vmm.kill();
    expect(await vmm.ended).toEqual({ status: "signal SIGKILL" });
    expect(processStatus(vmm.pid)).toBeUndefined();
    await vmm.kill();
  });

  it("gives way to the daemon", async () => {
    const vmm = await spawnVmm("sleep", ["60"], folder);
    expect(getPriority(vmm.pid)).toBe(getPriority() + VMM_NICENESS);
    await vmm.kill();
  });

  it("leaves its last words in the folder", async () => {
    const vmm = await spawnVmm("ls", ["/no/such/file"], folder);
    expect(await vmm.ended).toEqual({ status: "exit status 2" });
    expect(await vmmWords(folder)).toContain("/no/such/file");
  });

  it("whose program is missing is ENGINE_MISSING", async () => {
    await expect(spawnVmm("isthmus-no-such-program", [], folder)).rejects.toMatchObject({ code: "ENGINE_MISSING" });
  });

  it("that was adopted ends when it is killed", async () => {
    const child = await spawnVmm("sleep", ["60"], folder);
    const adopted = VmmProcess.adopted(child.pid, child.startTime);
    await adopted.kill();
    expect(await adopted.ended).toEqual({});
    await child.ended;
  });

  it("of a fork server ended as that told, even when it was not read for long", async () => {
    const child = await spawnVmm("sleep", ["60"], folder);
    const told = Promise.withResolvers<EngineEnd | undefined>();
    const forked = VmmProcess.forked(child.pid, child.startTime, told.promise);
    await child.kill();
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      forked.look();
      vi.advanceTimersByTime(KILL_DEADLINE_MS);
      forked.look();
    } finally {
      vi.useRealTimers();
    }
    told.resolve({ status: "signal SIGKILL" });
    expect(await forked.ended).toEqual({ status: "signal SIGKILL" });
  });

  it("is never killed under a pid that is another's by now", async () => {
    const bystander = spawn("sleep", ["60"]);
    const pid = bystander.pid ?? 0;
    const adopted = VmmProcess.adopted(pid, "1");
    await adopted.kill();
    expect(processStatus(pid)).toBeDefined();
    bystander.kill("SIGKILL");
  });
});

describe("proc", () => {
  it("reads a process whose name holds brackets and spaces", async () => {
    const script = 'read -r line; printf "a) R 1 (b" > /proc/self/comm; read -r line';
    const child = spawn("bash", ["-c", script], { stdio: ["pipe", "ignore", "ignore"] });
    await new Promise((resolve) => child.once("spawn", resolve));
    const startTime = processStatus(child.pid ?? 0)?.startTime;
    expect(startTime).toMatch(/^\d+$/);
    child.stdin.write("go\n");
    await expect.poll(() => readFileSync(`/proc/${child.pid}/comm`, "utf8")).toBe("a) R 1 (b\n");
    expect(processStatus(child.pid ?? 0)?.startTime).toBe(startTime);
    child.kill("SIGKILL");
  });

  it("knows nothing of a process that is not there", async () => {
    expect(processStatus(2 ** 30)).toBeUndefined();
    expect(await processArguments(2 ** 30)).toBeUndefined();
  });
});
