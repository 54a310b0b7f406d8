import { join } from "node:path";
import { type Accelerator, IsthmusError, MIB, type PublishedPort } from "@isthmus/contract";
import type { Nic } from "@isthmus/core";
import { fileNames, GUEST_ADDRESS, KERNEL_ARGUMENTS, SOCKET_PATH_BYTES, TCG_BUFFER_MIB } from "./config.ts";

/** One way to run a guest; which of them works here is found out by the probe. */
export interface BootVariant {
  readonly accelerator: Accelerator;
  readonly machineType: "microvm" | "q35";
  readonly cpuModel: string;
  /** what gives back the code that was translated for a guest, once that was idle for so long */
  readonly idleCode?: IdleCode;
}

export interface IdleCode {
  /** a plugin of QEMU's emulator, `guest/agent/host/idle_code.c` */
  readonly pluginPath: string;
  readonly afterMs: number;
}

export interface VmmLayout {
  readonly name: string;
  readonly folder: string;
  readonly socketFolder: string;
  readonly rootfsPath: string;
  readonly diskPath?: string;
  /** default raw, which is never guessed: a guest could write the header of another format */
  readonly diskFormat?: "raw" | "qcow2";
  /** each a block device of its own, in this order behind the disk */
  readonly volumes?: readonly { readonly diskPath: string; readonly overlayPath?: string }[];
  /** folders of the host; a process at each socket serves one */
  readonly shares?: readonly unknown[];
  /** of a template: how many volumes its clones have */
  readonly volumePlaces?: number;
  readonly outputPath: string;
  /** what boots; when absent, QEMU waits to be told where the state of a saved guest is */
  readonly boot?: { readonly kernelPath: string; readonly initramfsPath: string };
  /** guest memory in a file: shared when the guest writes to it, else a private copy of it; anonymous memory when absent */
  readonly memoryFile?: { readonly path: string; readonly shared: boolean };
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly network: "none" | "user" | "bridge";
  readonly nic?: Nic;
  readonly sealed?: true;
  /** it is forked, and its forks are forbidden by themselves what it is allowed for that */
  readonly zygote?: true;
  /** with their real host ports */
  readonly ports: readonly PublishedPort[];
  /** frequency of the host's time-stamp counter, for a TCG guest */
  readonly tscKhz?: number;
}

type Settings = readonly (readonly [key: string, value: string | number])[];

/** An option argument of QEMU: a comma in a value is doubled, so that a path cannot add settings of its own. */
export function optionArgument(head: string, settings: Settings): string {
  const pairs = settings.map(([key, value]) => `${key}=${String(value).replaceAll(",", ",,")}`);
  return [head, ...pairs].filter((part) => part !== "").join(",");
}

export function agentSocketPath(socketFolder: string): string {
  return join(socketFolder, fileNames.agentSocket);
}

export function qmpSocketPath(socketFolder: string): string {
  return join(socketFolder, fileNames.qmpSocket);
}

function machineArguments(layout: VmmLayout, variant: BootVariant): string[] {
  const microvm = variant.machineType === "microvm";
  // Device state is saved without a description of itself for debuggers.
  const common: Settings = [["suppress-vmdesc", "on"]];
  const settings: Settings = microvm
    ? [
        ...common,
        // Debian's kernel finds virtio-mmio devices through ACPI only. With it and a known time-stamp counter the kernel needs no PIT, which wakes QEMU 36 times a second.
        ["acpi", "on"],
        ["pit", "off"],
        ["pic", "on"],
        ["rtc", "on"],
      ]
    : [...common, ["vmport", "off"]];
  const memory = memoryArguments(layout);
  const accelerator = variant.accelerator === "tcg" ? optionArgument("tcg", [["tb-size", TCG_BUFFER_MIB]]) : "kvm";
  return [
    "-M",
    optionArgument(variant.machineType, memory.length > 0 ? [...settings, ["memory-backend", MEMORY_ID]] : settings),
    ...memory,
    "-accel",
    accelerator,
    ...idleCodeArguments(variant),
    "-cpu",
    variant.cpuModel,
    "-smp",
    String(layout.cpus),
    "-m",
    optionArgument("", [["size", memorySize(layout)]]),
  ];
}

function idleCodeArguments({ idleCode }: BootVariant): string[] {
  if (idleCode === undefined) return [];
  const settings: Settings = [
    ["file", idleCode.pluginPath],
    ["after-ms", idleCode.afterMs],
  ];
  return ["-plugin", optionArgument("", settings)];
}

const MEMORY_ID = "memory";

function memorySize(layout: VmmLayout): string {
  return `${Math.ceil(layout.memoryBytes / MIB)}M`;
}

function memoryArguments(layout: VmmLayout): string[] {
  const { memoryFile, shares = [] } = layout;
  const size: Settings = [
    ["id", MEMORY_ID],
    ["size", memorySize(layout)],
  ];
  if (memoryFile === undefined && shares.length > 0) return ["-object", optionArgument("memory-backend-memfd", [...size, ["share", "on"]])];
  if (memoryFile === undefined) return [];
  const settings: Settings = [...size, ["mem-path", memoryFile.path], ["share", memoryFile.shared ? "on" : "off"]];
  return ["-object", optionArgument("memory-backend-file", settings)];
}

/** A guest that goes on needs no kernel: leaving it out spares the time and memory to load one. */
function beginning(layout: VmmLayout, variant: BootVariant): string[] {
  // Stopped until told, and without the section that a stream of devices alone does not begin with.
  if (layout.boot === undefined) return ["-incoming", "defer", "-S", "-global", "migration.send-configuration=off"];
  const { kernelPath, initramfsPath } = layout.boot;
  return ["-kernel", kernelPath, "-initrd", initramfsPath, "-append", kernelArguments(layout, variant)];
}

function diskArguments(layout: VmmLayout, suffix: string): string[] {
  const block = (node: string, path: string, more: Settings, format = "raw") =>
    optionArgument(`driver=${format}`, [["node-name", node], ...more, ["file.driver", "file"], ["file.filename", path]]);
  // The first virtio-blk device is vda in the guest, the second vdb.
  const root = ["-blockdev", block("root", layout.rootfsPath, [["read-only", "on"]]), "-device", `virtio-blk-${suffix},drive=root`];
  if (layout.diskPath === undefined) return root;
  return [
    ...root,
    "-blockdev",
    block("disk", layout.diskPath, [["discard", "unmap"]], layout.diskFormat),
    "-device",
    `virtio-blk-${suffix},drive=disk`,
  ];
}

/** Of a volume that is only read the guest writes to an overlay: its file itself is opened for reading, and QEMU's lock lets others read it too. */
function volumeArguments({ volumes = [], volumePlaces = 0 }: VmmLayout, suffix: string): string[] {
  const blank = optionArgument("driver=null-co", [
    ["size", BLANK_BYTES],
    ["read-zeroes", "on"],
  ]);
  const nodes = volumes.length > 0 ? volumes.map(volumeNodes) : Array.from({ length: volumePlaces }, () => [blank]);
  return nodes.flatMap((node, index) => {
    const named = node.map((argument, depth) => `${argument},node-name=${volumeNode(index, depth === node.length - 1 ? "" : "-base")}`);
    return [
      ...named.flatMap((argument) => ["-blockdev", argument]),
      "-device",
      `virtio-blk-${suffix},drive=${volumeNode(index)},serial=vol${index}`,
    ];
  });
}

function volumeNodes({ diskPath, overlayPath }: { readonly diskPath: string; readonly overlayPath?: string }, index: number): string[] {
  const file = (driver: string, path: string, more: Settings) =>
    optionArgument(`driver=${driver}`, [...more, ["file.driver", "file"], ["file.filename", path]]);
  if (overlayPath === undefined) return [file("raw", diskPath, [["discard", "unmap"]])];
  return [file("raw", diskPath, [["read-only", "on"]]), file("qcow2", overlayPath, [["backing", volumeNode(index, "-base")]])];
}

export function shareSocketPath(socketFolder: string, index: number): string {
  return join(socketFolder, `share${index}.sock`);
}

/** virtiofsd speaks the newer form of virtio only. */
function shareArguments({ shares = [], socketFolder }: VmmLayout, suffix: string): string[] {
  if (shares.length === 0) return [];
  const one = (index: number) => [
    "-chardev",
    optionArgument("socket", [
      ["id", `share${index}`],
      ["path", shareSocketPath(socketFolder, index)],
    ]),
    "-device",
    `vhost-user-fs-${suffix},chardev=share${index},tag=share${index}`,
  ];
  return ["-global", "virtio-mmio.force-legacy=false", ...shares.flatMap((_, index) => one(index))];
}

const volumeNode = (index: number, part = "") => `volume${index}${part}`;

/** of what a template has in the place of a volume */
const BLANK_BYTES = 1 * MIB;

function portArguments(layout: VmmLayout, suffix: string): string[] {
  const serve: Settings = [
    ["server", "on"],
    ["wait", "off"],
  ];
  return [
    "-chardev",
    optionArgument("socket", [["id", "agent"], ["path", agentSocketPath(layout.socketFolder)], ...serve]),
    "-chardev",
    optionArgument("file", [
      ["id", "output"],
      ["path", layout.outputPath],
      ["append", "on"],
    ]),
    "-chardev",
    layout.boot === undefined
      ? optionArgument("null", [["id", "console"]])
      : optionArgument("file", [
          ["id", "console"],
          ["path", join(layout.folder, fileNames.console)],
        ]),
    "-chardev",
    optionArgument("socket", [["id", "qmp"], ["path", qmpSocketPath(layout.socketFolder)], ...serve]),
    "-mon",
    "chardev=qmp,mode=control",
    "-serial",
    "chardev:console",
    "-device",
    `virtio-serial-${suffix},max_ports=4`,
    "-device",
    "virtserialport,chardev=agent,name=isthmus.agent",
    "-device",
    "virtserialport,chardev=output,name=isthmus.output",
  ];
}

/** of a guest that is on no network yet: it is made in the namespace of its own that `inNamespace` gives it, and goes with it */
const NO_TAP = "tap0";
/** what the monitor calls the guest's network */
export const NETDEV = "net";

function networkArguments(layout: VmmLayout, suffix: string): string[] {
  if (layout.network === "none") return [];
  const forwards: Settings = layout.ports.map((port) => [
    "hostfwd",
    `${port.protocol}:${port.address}:${port.host}-${GUEST_ADDRESS}:${port.guest}`,
  ]);
  const netdev =
    layout.network === "bridge"
      ? optionArgument("tap", [
          ["id", NETDEV],
          ["ifname", layout.nic?.tap ?? NO_TAP],
          ["script", "no"],
          ["downscript", "no"],
        ])
      : optionArgument("user", [["id", NETDEV], ["restrict", layout.sealed === true ? "on" : "off"], ["ipv6", "off"], ...forwards]);
  return ["-netdev", netdev, "-device", `virtio-net-${suffix},netdev=${NETDEV}`];
}

/**
 * A TCG guest sees the host's time-stamp counter. On microvm it can calibrate it against the emulated PIT only, which fails on a busy host, and then the
 * kernel waits for ever for a tick: with the frequency given there is nothing to calibrate. A kernel that later distrusts the counter ticks 250 times a
 * second even when idle, so it is told not to look.
 */
function kernelArguments(layout: VmmLayout, variant: BootVariant): string {
  const given = variant.accelerator === "tcg" && layout.tscKhz !== undefined;
  return given ? `${KERNEL_ARGUMENTS} tsc_early_khz=${layout.tscKhz} tsc=reliable` : KERNEL_ARGUMENTS;
}

/** QEMU's arguments for one machine. Pure. Throws INVALID_REQUEST when a socket's path is too long. */
export function commandLine(layout: VmmLayout, variant: BootVariant): string[] {
  const longest = agentSocketPath(layout.socketFolder);
  if (Buffer.byteLength(longest) > SOCKET_PATH_BYTES) {
    throw new IsthmusError("INVALID_REQUEST", { field: "socket folder", value: longest, reason: `over ${SOCKET_PATH_BYTES} bytes` });
  }
  const suffix = variant.machineType === "microvm" ? "device" : "pci";
  return [
    ...machineArguments(layout, variant),
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
    "-sandbox",
    // What a zygote is allowed here it is forbidden once it has done it.
    `on,obsolete=deny,elevateprivileges=${layout.zygote ? "allow" : "deny"},spawn=${layout.zygote ? "allow" : "deny"},resourcecontrol=deny`,
    "-name",
    optionArgument("", [["guest", layout.name]]),
    ...beginning(layout, variant),
    ...diskArguments(layout, suffix),
    ...volumeArguments(layout, suffix),
    ...portArguments(layout, suffix),
    "-device",
    `virtio-rng-${suffix}`,
    ...networkArguments(layout, suffix),
    ...shareArguments(layout, suffix),
  ];
}
