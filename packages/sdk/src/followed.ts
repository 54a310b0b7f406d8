import { IsthmusError, type LogLine, type Machine, type RunLine } from "@isthmus/contract";
import { jsonLines } from "./lines.ts";
import { RunningMachine } from "./machine.ts";
import type { Call, Transport } from "./transport.ts";

/** A machine that `run` started with `follow`: what it writes comes with the answer to that call. */
export class FollowedMachine extends RunningMachine {
  /** Its output from the start on, until it has ended for good. Read it, or leave it (`output.return()`): it holds a connection. Throws DAEMON_UNREACHABLE when that is lost; `logs` reads on at `next` of the last line. */
  readonly output: AsyncGenerator<LogLine, void, undefined>;

  /** Use `isthmus.machines.run(spec, { follow: true })`. */
  constructor(transport: Transport, info: Machine, output: AsyncGenerator<LogLine, void, undefined>) {
    super(transport, info);
    this.output = output;
  }

  /** Leaves its output, then as every machine that runs. */
  override async [Symbol.asyncDispose](): Promise<void> {
    await this.output.return();
    await super[Symbol.asyncDispose]();
  }
}

/** The machine that a followed run begins with. */
export async function followedAt(transport: Transport, call: Call): Promise<FollowedMachine> {
  const lines = jsonLines<RunLine>(transport, call);
  const first = await lines.next();
  if (first.done === true || !("machine" in first.value))
    throw new IsthmusError("PROTOCOL", { reason: "a run did not begin with its machine" });
  // After the machine nothing else but output comes.
  return new FollowedMachine(transport, first.value.machine, lines as AsyncGenerator<LogLine, void, undefined>);
}
