import type { MachineExit } from "@isthmus/contract";
import { describe, expect, it, vi } from "vitest";
import { runCli } from "../cli.ts";
import { type FakeDaemon, failure, fakeDaemon, machine, rawRecord } from "../testing/fake-daemon.ts";
import { cli, testWorld } from "../testing/test-world.ts";
import { MachineSignals } from "./machine-signals.ts";

// What is done after these is not asked here, and a busy host may stand still for longer.
vi.mock("../config.ts", async (original) => ({
  ...(await original<object>()),
  SECOND_INTERRUPT_MS: 30_000,
  BROKEN_PIPE_GRACE_MS: 30_000,
  AUTO_REMOVE_WAIT_MS: 30_000,
  QUEUE_POLL_MS: 30_000,
}));

interface Script {
  readonly output?: readonly Buffer[];
  readonly exit: MachineExit;
  /** held until the machine is killed */
  readonly untilKilled?: boolean;
  readonly startFails?: boolean;
}

/** A daemon with one machine that behaves as the script says. */
function scripted({ output = [], exit, untilKilled, startFails }: Script): Promise<FakeDaemon> {
  const killed = Promise.withResolvers<void>();
  if (!untilKilled) killed.resolve();
  return fakeDaemon(async ({ method, path }) => {
    if (path === "/machines") return { status: 201, json: machine({ state: "requested" }) };
    if (path.endsWith("/start")) return startFails ? failure("START_FAILED", "machine web did not start: no", 502) : { json: machine() };
    if (path.endsWith("/kill")) {
      killed.resolve();
      return { json: machine() };
    }
    if (path.endsWith("/logs")) {
      await killed.promise;
      return { bytes: Buffer.concat(output) };
    }
    if (path.endsWith("/wait")) return { json: { exit } };
    return method === "DELETE" ? { json: {} } : undefined;
  });
}

describe("run in the foreground", () => {
  it("passes on output, streams apart, and the exit code, and waits until the machine is gone", async () => {
    await using daemon = await scripted({
      output: [rawRecord("stdout", "out\n"), rawRecord("stderr", "err\n"), rawRecord("stdout", "\u0000\u001b[1m")],
      exit: { code: 42 },
    });
    expect(await cli(["run", "--rm", "busybox", "x"], daemon)).toEqual({ code: 42, out: "out\n\u0000\u001b[1m", err: "err\n" });
    const [create, ...rest] = daemon.seen;
    expect([create?.query.start, JSON.parse(create?.body ?? "").autoRemove]).toEqual(["false", true]);
    expect(rest.map(({ path }) => path.split("/").at(-1)).sort()).toEqual(["logs", "start", "wait", "wait"]);
    expect(rest.flatMap(({ query }) => query.condition ?? [])).toEqual(["exited", "removed"]);
  });

  it("is lines of JSON when asked", async () => {
    await using daemon = await scripted({ output: [rawRecord("stdout", "out\n")], exit: { code: 143, signal: 15 } });
    const { code, out, err } = await cli(["run", "--json", "busybox"], daemon);
    expect([code, err]).toEqual([143, ""]);
    expect(
      out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { type: "machine", machine: { name: "web" } },
      { type: "output", stream: "stdout", text: "out\n" },
      { type: "exit", code: 143, signal: 15 },
    ]);
  });

  it("exits with 125 when the machine does not start, and removes it with --rm", async () => {
    await using daemon = await scripted({ exit: { code: 0 }, startFails: true });
    const { code, err } = await cli(["run", "--rm", "busybox"], daemon);
    expect(code).toBe(125);
    expect(err).toMatch(/did not start: no/);
    expect(daemon.seen.some(({ method, query }) => method === "DELETE" && query.force === "true")).toBe(true);
  });

  it("hands Ctrl-C on, and the second one kills", async () => {
    await using daemon = await scripted({ exit: { code: 130, signal: 2 }, untilKilled: true });
    const world = testWorld(daemon);
    using started = vi.spyOn(MachineSignals.prototype, "started");
    const done = runCli(["run", "busybox", "sleep", "9"], world);
    await expect.poll(() => started.mock.calls.length).toBe(1);
    world.raise("SIGINT");
    world.raise("SIGINT");
    expect(await done).toBe(130);
    const kills = () => daemon.seen.filter(({ path }) => path.endsWith("/kill"));
    await expect.poll(() => kills().map(({ query }) => query.signal)).toEqual(["SIGINT", "SIGKILL"]);
  });

  it("sends SIGPIPE when its reader is gone, and ends as a shell would report it", async () => {
    await using daemon = await scripted({ output: [rawRecord("stdout", "y\n")], exit: { code: 141, signal: 13 } });
    const world = testWorld(daemon);
    world.stdout.destroy();
    expect(await runCli(["run", "busybox", "yes"], world)).toBe(141);
    await expect.poll(() => daemon.seen.filter(({ path }) => path.endsWith("/kill")).map(({ query }) => query.signal)).toEqual(["SIGPIPE"]);
  });
});

describe("logs", () => {
  it("come byte for byte, streams apart", async () => {
    await using daemon = await scripted({ output: [rawRecord("stdout", "a\n"), rawRecord("stderr", "b\n")], exit: { code: 0 } });
    expect(await cli(["logs", "-f", "--tail", "5", "web"], daemon)).toEqual({ code: 0, out: "a\n", err: "b\n" });
    expect(daemon.seen[0]?.query).toMatchObject({ follow: "true", tail: "5", raw: "true" });
  });

  it("end quietly when the reader is gone", async () => {
    await using daemon = await scripted({ output: [rawRecord("stdout", "a\n")], exit: { code: 0 } });
    const world = testWorld(daemon);
    world.stdout.destroy();
    expect([await runCli(["logs", "web"], world), world.err()]).toEqual([141, ""]);
  });
});
