import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentSession } from "@isthmus/agent-client";

const POLL_MS = 1;
const DEADLINE_MS = 60_000;

/** What a hand-written command needs of a guest. */
export interface RawGuest {
  readonly kernel: string;
  readonly initramfs: string;
  readonly rootfs: string;
  readonly disk: string;
  /** kernel command line */
  readonly append: string;
}

/** The files that a running machine's engine process was given. */
export function guestOf(pid: number, disk: string): RawGuest {
  const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  const after = (flag: string) => argv[argv.indexOf(flag) + 1] ?? "";
  const rootfs = argv.map((word) => /(?:file|filename)=([^,]*\.(?:squashfs|erofs))/.exec(word)?.[1]).find((path) => path !== undefined);
  return { kernel: after("-kernel"), initramfs: after("-initrd"), append: after("-append"), rootfs: rootfs ?? "", disk };
}

/** A microVM as one would start it by hand: QEMU, the agent told to start, until the first byte of output is in its file. Returns ms. */
export async function rawFirstByte(home: string, guest: RawGuest): Promise<number> {
  const folder = await mkdtemp(join(home, "raw-"));
  const started = performance.now();
  const child = spawn("qemu-system-x86_64", commandLine(folder, guest), { stdio: ["ignore", "ignore", "inherit"] });
  try {
    const session = await openSession(join(folder, "agent.sock"), child);
    const now = Date.now();
    await session.request("configure", {
      hostname: "raw",
      machineId: "0".repeat(32),
      clock: { sec: Math.floor(now / 1000), nsec: 0 },
      entropy: Buffer.alloc(64, 7).toString("base64"),
      network: null,
      tmpfs: [],
    });
    const workload = {
      argv: ["/bin/sh", "-c", "echo hi; exec sleep 1000"],
      env: [],
      cwd: "/",
      user: "",
      tty: false,
      stdin: false,
      unattendedMaxBytes: 1e6,
    };
    await session.request("start", workload);
    const output = join(folder, "output");
    while (!existsSync(output) || !readFileSync(output).includes("hi\n")) await sleep(POLL_MS);
    return performance.now() - started;
  } finally {
    child.kill("SIGKILL");
    await new Promise((done) => child.once("close", done));
    await rm(folder, { recursive: true, force: true });
  }
}

async function openSession(path: string, child: ChildProcess): Promise<AgentSession> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!statSync(path, { throwIfNoEntry: false }) && performance.now() < deadline && child.exitCode === null) await sleep(POLL_MS);
  return await AgentSession.open(connect(path), { name: "raw", greetingDeadlineMs: DEADLINE_MS });
}

function commandLine(folder: string, { kernel, initramfs, rootfs, disk, append }: RawGuest): string[] {
  return [
    ...["-M", "microvm,acpi=on,pit=off,pic=on,rtc=on", "-accel", "tcg,tb-size=64", "-cpu", "max", "-m", "128", "-smp", "1"],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", kernel, "-initrd", initramfs],
    ...["-append", append, "-serial", `file:${folder}/console`],
    ...["-device", "virtio-serial-device,max_ports=4", "-chardev", `socket,id=agent,path=${folder}/agent.sock,server=on,wait=off`],
    ...["-device", "virtserialport,chardev=agent,name=isthmus.agent", "-chardev", `file,id=out,path=${folder}/output,append=on`],
    ...["-device", "virtserialport,chardev=out,name=isthmus.output", "-drive", `file=${rootfs},if=none,id=root,readonly=on,format=raw`],
    ...["-device", "virtio-blk-device,drive=root", "-drive", `file=${disk},if=none,id=disk,format=raw,snapshot=on`],
    ...["-device", "virtio-blk-device,drive=disk", "-device", "virtio-rng-device"],
  ];
}
