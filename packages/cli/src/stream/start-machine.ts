import { hasCode } from "@isthmus/contract";
import type { LastingOptions, MachineHandle } from "@isthmus/sdk";

/** Starts a machine; a start that a daemon left behind is finished by the next one. Returns also when the machine has run and ended meanwhile. Throws as `start`. */
export async function startMachine(handle: MachineHandle, { reconnect, signal }: LastingOptions): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      if (attempt === 1) await handle.start({ signal });
      else await finishStart(handle, signal);
      return;
    } catch (cause) {
      if (!reconnect || signal?.aborted || !hasCode(cause, "DAEMON_UNREACHABLE", "SHUTTING_DOWN")) throw cause;
      await reconnect({ cause, attempt, signal });
    }
  }
}

async function finishStart(handle: MachineHandle, signal: AbortSignal | undefined): Promise<void> {
  try {
    const { state } = await handle.inspect({ signal });
    if (state === "requested") await handle.start({ signal });
    else await handle.waitFor("running", { signal });
  } catch (error) {
    // It has ended, and may be gone; how it ended is asked for later.
    if (!hasCode(error, "STATE_CONFLICT", "MACHINE_NOT_FOUND")) throw error;
  }
}
