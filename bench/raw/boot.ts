import { booting, type RawGuest, rawArguments } from "./guest.ts";
import { RawQemu } from "./qemu.ts";
import { configure, startWorkload } from "./workload.ts";

/** A microVM as one would start it by hand: QEMU, the agent told to start, until the first byte of output is in its file. Returns ms. */
export async function rawFirstByte(home: string, guest: RawGuest): Promise<number> {
  const started = performance.now();
  await using qemu = await RawQemu.spawn(home, (folder) => rawArguments(folder, guest, booting(guest)));
  const session = await qemu.agent();
  await configure(session);
  await startWorkload(session, ["/bin/sh", "-c", "echo hi; exec sleep 1000"]);
  await qemu.printed("hi\n");
  return performance.now() - started;
}
