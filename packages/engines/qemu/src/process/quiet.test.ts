import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { quiet } from "./quiet.ts";

const outcome = async (pid: number, ms: number) => await Promise.race([quiet(pid).then(() => "quiet"), sleep(ms, "not yet")]);

describe("a process is quiet", () => {
  it("when it sleeps, not while it works or is kept from its work", async () => {
    const child = spawn("sh", ["-c", "read line; while :; do :; done"], { stdio: ["pipe", "ignore", "ignore"] });
    const pid = child.pid ?? 0;
    try {
      expect(await outcome(pid, 30_000)).toBe("quiet");
      child.stdin.write("go\n");
      await sleep(50);
      expect(await outcome(pid, 300)).toBe("not yet");
      child.kill("SIGKILL");
      expect(await outcome(pid, 30_000)).toBe("quiet");
    } finally {
      child.kill("SIGKILL");
    }
  });
});
