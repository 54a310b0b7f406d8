import { can, IsthmusError, isSettled, type MachineState } from "@isthmus/contract";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

/** Sequences tried; N and SEED repeat or enlarge a run. */
const RUNS = Number(process.env.N ?? 60);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const COMMANDS_MAX = 40;

/** What a user may expect: names of machines, and their states. */
type Model = Map<string, MachineState>;
type Command = fc.AsyncCommand<Model, FakeDaemon>;

const names = ["a", "b", "c"] as const;

async function outcome(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => "ok",
    (error: unknown) => (error instanceof IsthmusError ? error.code : `not an IsthmusError: ${String(error)}`),
  );
}

async function agree(model: Model, daemon: FakeDaemon): Promise<void> {
  await quiet();
  const machines = daemon.all();
  expect(Object.fromEntries(machines.map((machine) => [machine.name, machine.state]))).toEqual(Object.fromEntries(model));
  const alive = machines.filter((machine) => !isSettled(machine.state)).map((machine) => machine.id);
  expect([...daemon.host.processes.keys()].sort()).toEqual(alive.sort());
  expect(daemon.host.secondCopies).toBe(0);
  expect([...daemon.host.folders].every((id) => machines.some((machine) => machine.id === id))).toBe(true);
}

function command(text: string, run: (model: Model, daemon: FakeDaemon) => Promise<void>): Command {
  return {
    check: () => true,
    async run(model, daemon) {
      await run(model, daemon);
      await agree(model, daemon);
    },
    toString: () => text,
  };
}

function create(name: string, start: boolean): Command {
  return command(`create ${name}${start ? " and start" : ""}`, async (model, daemon) => {
    const result = await outcome(daemon.machines.create({ image: "busybox", name }, { start }));
    expect(result).toBe(model.has(name) ? "NAME_TAKEN" : "ok");
    if (result === "ok") model.set(name, start ? "running" : "requested");
  });
}

/** An action that the table of states allows or refuses, and the state it leads to. */
function act(action: "start" | "stop" | "kill" | "pause" | "unpause" | "remove", name: string): Command {
  const after = { start: "running", stop: "exited", kill: "exited", pause: "paused", unpause: "running", remove: undefined } as const;
  return command(`${action} ${name}`, async (model, daemon) => {
    const state = model.get(name);
    const result = await outcome((async () => await daemon.machines[action](name))());
    expect(result).toBe(state === undefined ? "MACHINE_NOT_FOUND" : can(action, state) ? "ok" : "STATE_CONFLICT");
    if (result !== "ok" || (action === "stop" && state !== undefined && isSettled(state))) return;
    const next = after[action];
    if (next) model.set(name, next);
    else model.delete(name);
  });
}

const idOf = (daemon: FakeDaemon, name: string) => daemon.all().find((machine) => machine.name === name)?.id ?? "";
const lives = (state: MachineState | undefined) => state === "running" || state === "paused";

const guestExits = (name: string) =>
  command(`guest of ${name} exits`, async (model, daemon) => {
    daemon.host.end(idOf(daemon, name), { code: 1 });
    if (lives(model.get(name))) model.set(name, "exited");
  });

const forceRemove = (name: string) =>
  command(`remove ${name} by force`, async (model, daemon) => {
    const expected = model.has(name) ? "ok" : "MACHINE_NOT_FOUND";
    expect(await outcome(daemon.machines.remove(name, { force: true }))).toBe(expected);
    model.delete(name);
  });

const failingStart = (name: string) =>
  command(`start ${name}, which fails`, async (model, daemon) => {
    const state = model.get(name);
    if (state === undefined || !can("start", state)) return;
    daemon.host.nextStarts = [new IsthmusError("START_FAILED", { name, reason: "on purpose" })];
    expect(await outcome(daemon.machines.start(name))).toBe("START_FAILED");
    model.set(name, "failed");
  });

const crash = command("the daemon is killed", (_model, daemon) => daemon.crash());

const crashWhileStopping = (name: string) =>
  command(`the daemon is killed while it stops ${name}`, async (model, daemon) => {
    void daemon.machines.stop(name).catch(() => undefined);
    await Promise.resolve();
    await daemon.crash();
    await daemon.clock.advance(30_000);
    // The request was not acknowledged: both outcomes are right, but only these.
    const state = daemon.all().find((machine) => machine.name === name)?.state;
    if (lives(model.get(name)) && state === "exited") model.set(name, "exited");
  });

const reboot = command("the host reboots", async (model, daemon) => {
  daemon.host.reboot();
  await daemon.crash();
  for (const [name, state] of model) if (lives(state)) model.set(name, "exited");
});

const anyName = fc.constantFrom(...names);
const commands = [
  fc.tuple(anyName, fc.boolean()).map(([name, start]) => create(name, start)),
  fc.tuple(fc.constantFrom("start", "stop", "kill", "pause", "unpause", "remove"), anyName).map(([action, name]) => act(action, name)),
  anyName.map(guestExits),
  anyName.map(forceRemove),
  anyName.map(failingStart),
  anyName.map(crashWhileStopping),
  fc.constant(crash),
  fc.constant(reboot),
];

/** ms after which what was found is told, though a shorter sequence that shows it may exist: before the test's own deadline, which tells nothing. */
const SEARCH_MS = 240_000;

describe("machines under any sequence of requests, exits and crashes", () => {
  it("agree with the table of states, and never have a second process", { timeout: 300_000 }, async () => {
    const property = fc.asyncProperty(fc.commands(commands, { maxCommands: COMMANDS_MAX }), async (sequence) => {
      const daemon = new FakeDaemon();
      try {
        await fc.asyncModelRun(() => ({ model: new Map(), real: daemon }), sequence);
      } finally {
        daemon.remove();
      }
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED, interruptAfterTimeLimit: SEARCH_MS, markInterruptAsFailure: true });
  });
});
