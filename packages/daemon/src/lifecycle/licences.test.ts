import { IsthmusError, isSettled } from "@isthmus/contract";
import { Licences, leaseEvents, type MachineRecord } from "@isthmus/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

/** Histories tried; N and SEED repeat or enlarge a run. */
const RUNS = Number(process.env.N ?? 15);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const MACHINES = 50;
const SEATS = 20;

const name = (number: number) => `m${number % MACHINES}`;

/** The seats of a start, in one commit with the decision, as admission grants them; undefined when there are none. */
function grant(daemon: FakeDaemon, record: MachineRecord): boolean {
  const { store, clock } = daemon;
  const licences = new Licences({ store, clock, capacity: { cpus: () => daemon.cpus } });
  const wanting = { ...record, machine: { ...record.machine, spec: { ...record.machine.spec, licences: ["matlab"] } } };
  const answer = licences.seats(wanting);
  if ("shortage" in answer) return false;
  const next = { ...record, boot: { ...record.boot, lease: { grantedMs: clock.now(), seats: answer.seats } } };
  store.updateMachine(next, leaseEvents(store, record, next));
  return true;
}

async function start(daemon: FakeDaemon, ref: string): Promise<void> {
  const known = daemon.all().some((machine) => machine.name === ref);
  await (known ? daemon.machines.start(ref) : daemon.machines.create({ image: "busybox", name: ref }, { start: true }));
  if (!grant(daemon, daemon.store.machine(ref))) await daemon.machines.kill(ref);
}

type Step = (daemon: FakeDaemon, number: number) => unknown;

const idOf = (daemon: FakeDaemon, ref: string) => daemon.all().find((machine) => machine.name === ref)?.id ?? "";

const stepsOf: Readonly<Record<string, Step>> = {
  start: (daemon, number) => start(daemon, name(number)),
  stop: (daemon, number) => daemon.machines.stop(name(number)),
  kill: (daemon, number) => daemon.machines.kill(name(number)),
  "the guest exits": (daemon, number) => daemon.host.end(idOf(daemon, name(number)), { code: 1 }),
  "the engine dies": (daemon, number) => daemon.host.end(idOf(daemon, name(number))),
  suspend: (daemon, number) => daemon.machines.suspend(name(number)),
  resume: (daemon, number) => daemon.machines.resume(name(number)),
  remove: (daemon, number) => daemon.machines.remove(name(number), { force: true }),
  "the daemon is killed": (daemon) => daemon.crash(),
  "the daemon is killed in a stop": async (daemon, number) => {
    void daemon.machines.stop(name(number)).catch(() => undefined);
    await Promise.resolve();
    await daemon.crash();
  },
  "the daemon is killed, and machines end meanwhile": async (daemon, number) => {
    for (const machine of daemon.all().slice(0, number % 9)) daemon.host.end(machine.id);
    await daemon.crash();
  },
  "the host reboots": async (daemon) => {
    daemon.host.reboot();
    await daemon.crash();
  },
  "time passes": (daemon, number) => daemon.clock.advance(number * 60_000),
};

/** The actions that keep the histories full of machines come more often than those that end many. */
const weights = { start: 24, "the guest exits": 4, "the host reboots": 0.5 };
const anyStep = fc.oneof(
  ...Object.keys(stepsOf).map((step) => ({
    arbitrary: fc.constant(step),
    weight: Math.ceil(2 * (Object.entries(weights).find(([key]) => key === step)?.[1] ?? 1)),
  })),
);

function expectSound(daemon: FakeDaemon, keeps: boolean): void {
  const { used, free, seats, holders } = daemon.machines.licences.get("matlab");
  expect(used + free).toBe(seats);
  expect(used).toBe(holders.length);
  const may = daemon.all().filter(({ state }) => !isSettled(state) || (keeps && state === "suspended"));
  expect(may.map(({ id }) => id)).toEqual(expect.arrayContaining(holders.map(({ machineId }) => machineId)));
}

describe(`${MACHINES} machines over ${SEATS} seats`, () => {
  it("never leak, double or exceed one, whatever dies, and the log says the same", { timeout: 120_000 }, async () => {
    const history = fc.array(fc.tuple(anyStep, fc.nat(999)), { minLength: 20, maxLength: 160 });
    const property = fc.asyncProperty(history, fc.constantFrom("return" as const, "keep" as const), async (steps, onSuspend) => {
      const daemon = new FakeDaemon();
      try {
        daemon.machines.licences.add({ product: "matlab", metric: "per-machine", seats: SEATS, onSuspend });
        for (const [step, number] of steps) {
          await Promise.resolve(stepsOf[step]?.(daemon, number)).catch((error: unknown) => {
            if (!(error instanceof IsthmusError)) throw error;
          });
          await quiet();
          expectSound(daemon, onSuspend === "keep");
        }
        const { audit } = await daemon.machines.licences.report({ sinceMs: daemon.clock.now() - 1000, audit: true });
        expect(audit?.differences).toEqual([]);
      } finally {
        daemon.remove();
      }
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  });

  it("keep the seats of a suspended machine or return them, as the pool says", async () => {
    for (const [onSuspend, held] of [
      ["return", 0],
      ["keep", 1],
    ] as const) {
      const daemon = new FakeDaemon();
      daemon.machines.licences.add({ product: "matlab", metric: "per-machine", seats: 1, onSuspend });
      await start(daemon, "m1");
      await daemon.machines.suspend("m1");
      expect(daemon.machines.licences.get("matlab").used).toBe(held);
      await daemon.machines.remove("m1", { force: true });
      expect(daemon.machines.licences.get("matlab").used).toBe(0);
      expect(daemon.store.licenceEvents({ limit: 9 }).map(({ type }) => type)).toEqual([
        "licence.pool-added",
        "licence.taken",
        "licence.returned",
      ]);
      daemon.remove();
    }
  });
});
