import { getPriority } from "node:os";
import { join } from "node:path";
import { defaults } from "@isthmus/contract";
import type { MachineSpec, RunningMachine } from "@isthmus/sdk";
import { booting, guestOf, type RawGuest, rawArguments } from "../raw/guest.ts";
import { backEnds, slirpGuest } from "../raw/network.ts";
import { Passt } from "../raw/passt.ts";
import { RawQemu } from "../raw/qemu.ts";
import { configure, execute, startWorkload } from "../raw/workload.ts";
import type { BenchWorld } from "../world.ts";
import { IDLE, PASST_MTU, SPEC } from "./config.ts";
import { type Lab, tapGuest } from "./lab.ts";

/** A guest that waits on a network. */
export interface Contestant {
  execute(argv: readonly string[]): Promise<unknown>;
}

interface RawOptions {
  readonly device: readonly string[];
  readonly network: { readonly address: string; readonly gateway: string };
  readonly through: readonly string[];
}

async function raw(stack: AsyncDisposableStack, home: string, guest: RawGuest, options: RawOptions): Promise<Contestant> {
  const argumentsFor = (folder: string) => [...rawArguments(folder, guest, booting(guest)), ...options.device];
  const qemu = stack.use(await RawQemu.spawn(home, argumentsFor, { through: options.through }));
  const session = await qemu.agent();
  stack.defer(() => session.close());
  await configure(session, options.network);
  await startWorkload(session, IDLE);
  return { execute: (argv) => execute(session, argv) };
}

async function ours(stack: AsyncDisposableStack, world: BenchWorld, network: Partial<MachineSpec>): Promise<RunningMachine> {
  return stack.use(await world.isthmus.machines.run({ ...SPEC, command: [...IDLE], ...network }));
}

/** Machines of Isthmus and guests by hand, all booted, of one kernel and rootfs, on the lab's host; gone when `stack` is disposed of. `passt`: the processes of it. */
export async function contestants(stack: AsyncDisposableStack, world: BenchWorld, lab: Lab) {
  await world.isthmus.networks.create({ name: "bench" });
  stack.defer(async () => void (await world.isthmus.networks.remove("bench")));
  const user = await ours(stack, world, { network: "user" });
  const network = await ours(stack, world, { networks: [{ network: "bench" }] });
  const guest = guestOf(user.info.pid ?? 0, join(world.home, "disks", `empty-${defaults.diskBytes}.ext4`));
  // As nice as machines are made.
  const niceness = getPriority(user.info.pid ?? 0) - getPriority();
  const through = [...lab.onHost, "nice", "-n", String(niceness)];
  const passts = [stack.use(await Passt.start(world.home, through)), stack.use(await Passt.start(world.home, through))] as const;
  const byPasst = ({ socket }: Passt) => ({ device: backEnds.passt(socket), network: slirpGuest, through });
  const all = {
    user: { execute: (argv: readonly string[]) => user.execText([...argv]) },
    network: { execute: (argv: readonly string[]) => network.execText([...argv]) },
    slirp: await raw(stack, world.home, guest, { device: backEnds.slirp(), network: slirpGuest, through }),
    tap: await raw(stack, world.home, guest, { device: backEnds.tap(lab.tap), network: tapGuest, through }),
    passt: await raw(stack, world.home, guest, byPasst(passts[0])),
    passtLarge: await raw(stack, world.home, guest, byPasst(passts[1])),
  } satisfies Record<string, Contestant>;
  await all.passtLarge.execute(["ip", "link", "set", "eth0", "mtu", String(PASST_MTU)]);
  return { all, passts };
}
