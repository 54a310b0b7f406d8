import { isSettled } from "@isthmus/contract";
import { type CrashPoint, crashPoints } from "@isthmus/core";
import { describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

/** What a user does when the daemon dies; answers of the dead daemon never come, so nobody waits for them. */
const scenarios = {
  create: (daemon) => void daemon.machines.create({ image: "busybox", name: "m" }, { start: true }).catch(() => undefined),
  start: (daemon) => void daemon.machines.start("m").catch(() => undefined),
  stop: (daemon) => void daemon.machines.stop("m").catch(() => undefined),
  kill: (daemon) => void daemon.machines.kill("m").catch(() => undefined),
  remove: (daemon) => void daemon.machines.remove("m").catch(() => undefined),
  snapshot: (daemon) => void daemon.machines.snapshots.create("m").catch(() => undefined),
  clone: (daemon) => void daemon.machines.clone({ machine: "m" }).catch(() => undefined),
  suspend: (daemon) => void daemon.machines.suspend("m").catch(() => undefined),
  resume: (daemon) => void daemon.machines.resume("m").catch(() => undefined),
  "remove with volumes": (daemon) => void daemon.machines.remove("m", { volumes: true }).catch(() => undefined),
  connect: (daemon) => void daemon.machines.networks.connect("web", { machine: "m" }).catch(() => undefined),
  "volume create": (daemon) => void daemon.machines.volumes.create({ name: "v" }).catch(() => undefined),
  "volume remove": (daemon) => void daemon.machines.volumes.remove("v").catch(() => undefined),
} satisfies Record<string, (daemon: FakeDaemon) => void>;

function scenarioOf(point: CrashPoint): keyof typeof scenarios {
  if (point.startsWith("volume")) return point.endsWith("create") ? "volume create" : "volume remove";
  if (point.endsWith("volume")) return "remove with volumes";
  if (point.startsWith("move")) return "connect";
  if (point.startsWith("snapshot")) return "snapshot";
  if (point.startsWith("clone")) return "clone";
  if (point.startsWith("suspend")) return point.endsWith("exited") ? "kill" : "suspend";
  if (point.startsWith("resume")) return "resume";
  if (point.endsWith("queued")) return "start";
  if (point.startsWith("stop")) return "stop";
  if (point.startsWith("kill") || point.startsWith("exit")) return "kill";
  return point.startsWith("remove") ? "remove" : "create";
}

async function prepare(daemon: FakeDaemon, point: CrashPoint): Promise<void> {
  const scenario = scenarioOf(point);
  if (scenario === "volume remove") await daemon.machines.volumes.create({ name: "v" });
  if (scenario.startsWith("volume")) return;
  const mounts = scenario === "remove with volumes" ? [{ type: "volume" as const, path: "/v" }] : [];
  const device = scenario === "connect" ? { network: "bridge" as const, networks: [] } : {};
  if (scenario === "connect") await daemon.machines.networks.create({ name: "web" });
  if (scenario !== "create")
    await daemon.machines.create({ image: "busybox", name: "m", mounts, ...device }, { start: scenario !== "start" });
  if (scenario === "resume" || /^suspend.*exited/.test(point)) await daemon.machines.suspend("m");
  if (scenario.startsWith("remove")) await daemon.machines.stop("m");
  if (point.endsWith("failed")) daemon.host.nextStarts = ["hang"];
  if (!point.endsWith("refused")) return;
  // Nobody may wait at all: every start is too late.
  daemon.admission = { queueAgeMs: 0 };
  await daemon.restart();
  daemon.admission = {};
}

/** One process per machine that runs, none for others, no folder without a machine. */
export function expectConsistent(daemon: FakeDaemon): void {
  const machines = daemon.all();
  const alive = machines.filter((machine) => !isSettled(machine.state)).map((machine) => machine.id);
  expect([...daemon.host.processes.keys()].sort()).toEqual(alive.sort());
  expect(daemon.host.secondCopies).toBe(0);
  const ids = machines.map((machine) => machine.id);
  expect([...daemon.host.folders].filter((id) => !ids.includes(id))).toEqual([]);
  for (const machine of machines) expect(["requested", "running", "suspended", "exited", "failed", "refused"]).toContain(machine.state);
}

describe("a daemon that dies at a crash point", () => {
  for (const point of crashPoints) {
    it(`is taken over at ${point}: done, or cleanly absent`, async () => {
      const daemon = new FakeDaemon();
      try {
        await prepare(daemon, point);
        daemon.crashAt = point;
        scenarios[scenarioOf(point)](daemon);
        await quiet();
        if (point.endsWith("failed")) void daemon.machines.stop("m").catch(() => undefined);
        await quiet();
        expect(daemon.dead).toBe(true);
        await daemon.restart();
        await daemon.clock.advance(30_000);
        expectConsistent(daemon);
        expect(
          daemon
            .all()
            .map((machine) => machine.state)
            .sort(),
        ).toEqual(outcome(point));
        expect([...daemon.host.volumes.keys()]).toEqual(/^volume.(after-create|before-remove)$/.test(point) ? ["v"] : []);
      } finally {
        daemon.remove();
      }
    });
  }
});

function outcome(point: CrashPoint): string[] {
  // A clone whose passing snapshot went with its daemon.
  if (point === "clone.after-inserts") return ["failed", "running"];
  if (/^suspend.(after-suspended|before-kill|after-kill|before-exited)$/.test(point)) return ["suspended"];
  if (point === "suspend.after-exited") return ["exited"];
  if (point === "resume.before-queued") return ["suspended"];
  if (point === "create.before-insert") return [];
  if (point === "start.after-refused") return ["refused"];
  if (point === "remove.before-delete") return ["exited"];
  if (point.startsWith("remove") || point.startsWith("volume")) return [];
  if (point === "start.before-queued") return ["requested"];
  // Nothing was written down yet: the request is as if never made.
  if (point === "stop.before-stopping" || point === "kill.before-mark") return ["running"];
  if (/^(stop|kill|exit)|failed$/.test(point)) return ["exited"];
  return ["running"];
}
