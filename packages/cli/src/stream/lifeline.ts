import { hasCode } from "@isthmus/contract";
import { backOff, type LostDaemon } from "@isthmus/sdk";
import { LOST_DAEMON_NOTE_MS, LOST_DAEMON_STARTS } from "../config.ts";
import type { Context } from "../context.ts";

/**
 * Holds a command that stays with a machine over the loss of the daemon: the machine goes on by itself. A daemon that died is started again, as by any
 * command; one that was stopped in order is waited for, since whoever stopped it wanted it so.
 */
export class Lifeline {
  readonly #context: Context;
  readonly #pause = backOff();
  #back: Promise<void> | undefined;
  #stopped = false;
  #failedStarts = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  /** settles when the daemon is back; undefined while there is one */
  get lost(): Promise<void> | undefined {
    return this.#back;
  }

  /** For the SDK: resolves when a daemon answers again. All that lost the same one wait together. Throws DAEMON_START_FAILED, what `signal` ended. */
  readonly reconnect = async (lost: LostDaemon): Promise<void> => {
    this.#stopped ||= hasCode(lost.cause, "SHUTTING_DOWN");
    await this.#pause(lost);
    this.#back ??= this.#wait(lost).finally(() => {
      this.#back = undefined;
      this.#stopped = false;
    });
    await this.#back;
  };

  async #wait({ cause, signal }: LostDaemon): Promise<void> {
    let told = false;
    const timer = setTimeout(() => {
      told = true;
      const what = this.#stopped
        ? "the daemon was stopped; start it with: isthmus daemon start"
        : "the daemon does not answer; trying again";
      this.#context.note(`isthmus: ${what}. The machine goes on; Ctrl-C twice leaves it`);
    }, LOST_DAEMON_NOTE_MS);
    try {
      for (let attempt = 1; !(await this.#isBack()); attempt += 1) await this.#pause({ cause, attempt, signal });
      if (told) this.#context.note("isthmus: the daemon answers again");
    } finally {
      clearTimeout(timer);
    }
  }

  async #isBack(): Promise<boolean> {
    const { world } = this.#context;
    try {
      await world.connect(world, { autostart: !this.#stopped && !world.env.ISTHMUS_NO_AUTOSTART, quiet: true });
      this.#failedStarts = 0;
      return true;
    } catch (error) {
      if (hasCode(error, "DAEMON_UNREACHABLE")) return false;
      this.#failedStarts += 1;
      // One that is killed while it starts is no reason to give up; one that cannot start is.
      if (hasCode(error, "DAEMON_START_FAILED") && this.#failedStarts < LOST_DAEMON_STARTS) return false;
      throw error;
    }
  }
}
