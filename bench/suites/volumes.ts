import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { type AgentSession, mountInGuest } from "@isthmus/agent-client";
import { defaults } from "@isthmus/contract";
import { booting, guestOf, rawArguments } from "../raw/guest.ts";
import { RawQemu } from "../raw/qemu.ts";
import { configure, execute, startWorkload } from "../raw/workload.ts";
import { paired, type Result } from "../result.ts";
import { type BenchWorld, time } from "../world.ts";

const MEBIBYTES = 64;
const SMALL_WRITES = 50;
const VOLUME_BYTES = 512 * 1024 * 1024;
const DEADLINE_MS = 30_000;
/** nothing but QEMU's own work lies between the two */
const MIN_RATIO = 0.9;
const WAITING = ["sleep", "1000"] as const;

/** What is done on a volume, in the way of fio's jobs, by what the built-in image has. */
const jobs = [
  {
    name: "write in order, synced at the end",
    amount: MEBIBYTES,
    unit: "MiB/s",
    script: `dd if=/dev/zero of=/data/f bs=1M count=${MEBIBYTES} conv=fsync`,
  },
  {
    name: "read in order, nothing cached in the guest",
    amount: MEBIBYTES,
    unit: "MiB/s",
    script: "echo 3 > /proc/sys/vm/drop_caches; dd if=/data/f of=/dev/null bs=1M",
  },
  {
    name: "write 4 KiB at scattered places, each synced",
    amount: SMALL_WRITES,
    unit: "1/s",
    script: `i=0; while [ $i -lt ${SMALL_WRITES} ]; do dd if=/dev/zero of=/data/f bs=4k count=1 seek=$((i * 7919 % 16384)) conv=notrunc,fsync; i=$((i + 1)); done`,
  },
] as const;

/** The same jobs in turn on a volume of a machine, and on the same kind of disk of a QEMU by hand; both guests booted, of the same kernel, rootfs and agent. */
export async function suite(world: BenchWorld, rounds: number): Promise<readonly Result[]> {
  await world.isthmus.volumes.create({ name: "bench", sizeBytes: VOLUME_BYTES });
  await using machine = await world.isthmus.machines.run({
    image: "busybox",
    command: [...WAITING],
    mounts: [{ type: "volume", source: "bench", path: "/data" }],
    stopTimeoutMs: 0,
  });
  const guest = guestOf(machine.info.pid ?? 0, join(world.home, "disks", `empty-${defaults.diskBytes}.ext4`));
  const disk = join(world.home, "raw-volume.ext4");
  await promisify(execFile)("cp", ["--sparse=always", guest.disk, disk]);
  const volume = [
    "-drive",
    `file=${disk},if=none,id=volume,format=raw,discard=unmap`,
    "-device",
    "virtio-blk-device,drive=volume,serial=vol0",
  ];
  await using qemu = await RawQemu.spawn(world.home, (folder) => [...rawArguments(folder, guest, booting(guest)), ...volume]);
  const session = await begin(qemu);
  const results: Result[] = [];
  for (const { name, amount, unit, script } of jobs) {
    const [ours, raw]: [number[], number[]] = [[], []];
    for (let round = 0; round <= rounds; round += 1) {
      const floor = await time(() => execute(session, ["sh", "-c", script]));
      const mine = await time(() => machine.execText(["sh", "-c", script]));
      if (round === 0) continue;
      raw.push(amount / (floor / 1000));
      ours.push(amount / (mine / 1000));
    }
    results.push(paired(name, unit, ours, raw, MIN_RATIO, true));
  }
  session.close();
  return results;
}

async function begin(qemu: RawQemu): Promise<AgentSession> {
  const session = await qemu.agent();
  await configure(session);
  await mountInGuest(session, { type: "ext4", source: "vol0", path: "/data" }, DEADLINE_MS);
  await startWorkload(session, WAITING);
  return session;
}
