import type { Health } from "@isthmus/contract";
import type { Context } from "../machine/context.ts";
import type { Handle } from "../machine/handle.ts";
import { amend, insist } from "../machine/lifecycle/transition.ts";
import type { LiveMachine, MachineRecord } from "../machine/ports.ts";
import { check } from "./check.ts";
import { CHECKS_AT_A_TIME } from "./config.ts";
import type { DecidedCheck } from "./resolve.ts";
import { after, beginning } from "./status.ts";

const turns = new WeakMap<Context["admitting"], Turns>();

/** Checks a machine again and again for as long as it runs. Only what changes is written down: a healthy machine costs the store nothing. */
export function watchHealth(context: Context, handle: Handle, live: LiveMachine, record: MachineRecord): void {
  const decided = record.machine.spec.healthcheck;
  if (decided?.test === undefined) return;
  const wanted = { ...decided } as DecidedCheck;
  handle.health = record.machine.health ?? beginning;
  const forgiven = () => context.clock.now() - (context.store.machine(handle.id).boot.startedMs ?? 0) < wanted.startPeriodMs;
  const isOver = () => handle.live !== live || context.closing.signal.aborted || handle.removed;
  const look = async () => {
    await turnsOf(context).next(async () => {
      if (isOver()) return;
      const present = context.store.machine(handle.id);
      if (present.machine.state !== "running") return;
      const free = forgiven();
      const checked = await check(context, live, present, wanted.timeoutMs);
      // A machine that was suspended, paused or ended meanwhile was not unwell.
      if (isOver() || context.store.machine(handle.id).machine.state !== "running") return;
      await note(context, handle, live, after(handle.health ?? beginning, checked, { retries: wanted.retries, forgiven: free }));
    });
    if (!isOver()) again();
  };
  const again = () => {
    const soon = handle.health?.status === "starting" && forgiven();
    const everyMs = soon ? Math.min(wanted.startIntervalMs, wanted.intervalMs) : wanted.intervalMs;
    const fire = () => {
      look().catch((error: unknown) => {
        context.log.warn({ machine: handle.id, err: error }, "a health check came to nothing");
        if (!isOver()) again();
      });
    };
    handle.setTimer("health", context.clock.after(everyMs, fire));
  };
  again();
}

async function note(context: Context, handle: Handle, live: LiveMachine, health: Health): Promise<void> {
  const former = handle.health;
  handle.health = health;
  if (former?.status === health.status && former.failingStreak === health.failingStreak) return;
  // Failures of a machine that is known to be unhealthy are no news either.
  if (former?.status === health.status && health.status === "unhealthy") return;
  await insist(context, handle, () => {
    if (handle.live !== live) return;
    const { name } = context.store.machine(handle.id).machine;
    const details = { status: health.status, failingStreak: health.failingStreak };
    const event = { type: "machine.health", machineId: handle.id, machineName: name, details };
    amend(context, handle, { machine: { health } }, former?.status === health.status ? [] : [event]);
  });
}

function turnsOf({ admitting }: Context): Turns {
  const known = turns.get(admitting) ?? new Turns();
  turns.set(admitting, known);
  return known;
}

/** So many at a time, in the order in which they came. */
class Turns {
  #busy = 0;
  readonly #waiting: (() => void)[] = [];

  async next(work: () => Promise<void>): Promise<void> {
    if (this.#busy >= CHECKS_AT_A_TIME) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy += 1;
    try {
      await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#busy -= 1;
    }
  }
}
