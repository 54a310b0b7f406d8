import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { QUIET_DEADLINE_MS } from "../config.ts";
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
      let [began, found] = [0, ""];
      do {
        began = performance.now();
        found = await outcome(pid, 300);
        // Who stood still for that long has waited long enough.
      } while (performance.now() - began >= QUIET_DEADLINE_MS);
      expect(found).toBe("not yet");
      child.kill("SIGKILL");
      expect(await outcome(pid, 30_000)).toBe("quiet");
    } finally {
      child.kill("SIGKILL");
    }
  });
});
