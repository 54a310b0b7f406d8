import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What a hand-written command needs of a guest. */
export interface RawGuest {
  readonly kernel: string;
  readonly initramfs: string;
  readonly rootfs: string;
  /** an empty ext4 file system; never written to */
  readonly disk: string;
  /** kernel command line */
  readonly append: string;
}

/** The files that the engine process of a machine that booted was given. */
export function guestOf(pid: number, disk: string): RawGuest {
  const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  const after = (flag: string) => argv[argv.indexOf(flag) + 1] ?? "";
  const rootfs = argv.map((word) => /(?:file|filename)=([^,]*\.(?:squashfs|erofs))/.exec(word)?.[1]).find((path) => path !== undefined);
  return { kernel: after("-kernel"), initramfs: after("-initrd"), append: after("-append"), rootfs: rootfs ?? "", disk };
}

/** Guest memory: QEMU's own, or a file of it, which a template writes and its clones map privately. What a template writes to its disk stays, too. */
export interface RawMemory {
  readonly file: string;
  readonly share: "on" | "off";
}

/** QEMU's arguments for one CPU and 128 MiB, as one would write them by hand. `beginning`: what boots, or `-incoming defer`. */
export function rawArguments(folder: string, guest: RawGuest, beginning: readonly string[], memory?: RawMemory): string[] {
  const machine = "microvm,acpi=on,pit=off,pic=on,rtc=on";
  const backend = memory && ["-object", `memory-backend-file,id=memory,size=128M,mem-path=${memory.file},share=${memory.share}`];
  return [
    ...["-M", memory ? `${machine},memory-backend=memory` : machine, ...(backend ?? [])],
    ...["-accel", "tcg,tb-size=64", "-cpu", "max", "-m", "128M", "-smp", "1"],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", ...beginning],
    ...["-chardev", `socket,id=qmp,path=${folder}/qmp.sock,server=on,wait=off`, "-mon", "chardev=qmp,mode=control"],
    ...["-chardev", `file,id=console,path=${join(folder, "console")}`, "-serial", "chardev:console"],
    ...["-device", "virtio-serial-device,max_ports=4", "-chardev", `socket,id=agent,path=${folder}/agent.sock,server=on,wait=off`],
    ...["-device", "virtserialport,chardev=agent,name=isthmus.agent", "-chardev", `file,id=out,path=${folder}/output,append=on`],
    ...[
      "-device",
      "virtserialport,chardev=out,name=isthmus.output",
      "-drive",
      `file=${guest.rootfs},if=none,id=root,readonly=on,format=raw`,
    ],
    ...[
      "-device",
      "virtio-blk-device,drive=root",
      "-drive",
      `file=${guest.disk},if=none,id=disk,format=raw,snapshot=${memory?.share === "on" ? "off" : "on"}`,
    ],
    ...["-device", "virtio-blk-device,drive=disk", "-device", "virtio-rng-device"],
  ];
}

export function booting({ kernel, initramfs, append }: RawGuest): readonly string[] {
  return ["-kernel", kernel, "-initrd", initramfs, "-append", append];
}
