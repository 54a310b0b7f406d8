import { type Health, IsthmusError } from "@isthmus/contract";
import { SIGKILL } from "../machine/config.ts";
import type { Context } from "../machine/context.ts";
import type { GuestStream, LiveMachine, MachineRecord } from "../machine/ports.ts";
import { CHECK_OUTPUT_BYTES, NO_EXIT } from "./config.ts";
import { commandOf } from "./resolve.ts";

type Check = Health["log"][number];

/** Runs the check once in the guest. Never rejects: what goes wrong is a check that failed. */
export async function check(context: Context, live: LiveMachine, record: MachineRecord, timeoutMs: number): Promise<Check> {
  const { healthcheck } = record.machine.spec;
  const startMs = context.clock.now();
  const told = (exitCode: number, output: string): Check => ({
    startedAt: new Date(startMs).toISOString(),
    ms: context.clock.now() - startMs,
    exitCode,
    output,
  });
  let stream: GuestStream | undefined;
  let cancel = () => {};
  const late = new Promise<"late">((resolve) => {
    cancel = context.clock.after(timeoutMs, () => resolve("late"));
  });
  try {
    stream = await live.exec({ command: commandOf(healthcheck?.test ?? []) }, record.boot.workload);
    const [said, ended] = [collect(stream), stream.exit];
    ended.catch(() => undefined);
    const end = await Promise.race([ended, late]);
    if (end !== "late") return told(end.code, await Promise.race([said.whole, late.then(() => said.soFar())]));
    await stream.signal(SIGKILL).catch(() => undefined);
    return told(NO_EXIT, `it did not end within ${timeoutMs} ms\n${said.soFar()}`);
  } catch (error) {
    return told(NO_EXIT, IsthmusError.from(error).message);
  } finally {
    cancel();
    stream?.close();
  }
}

/** The first of what it writes; the rest is thrown away, so that it never waits for us. */
function collect({ stdout, stderr }: GuestStream): { readonly whole: Promise<string>; soFar(): string } {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const soFar = () => Buffer.concat(pieces).subarray(0, CHECK_OUTPUT_BYTES).toString("utf8");
  const take = async (source: AsyncIterable<Buffer>) => {
    for await (const piece of source) {
      if (bytes < CHECK_OUTPUT_BYTES) pieces.push(Buffer.from(piece));
      bytes += piece.length;
    }
  };
  const whole = Promise.allSettled([take(stdout), take(stderr)]).then(soFar);
  return { whole, soFar };
}
