import type { Finding } from "@isthmus/contract";
import { NODE_MIN_VERSION, QEMU_MIN_VERSION } from "./config.ts";
import { atLeast, flaw, ok } from "./finding.ts";
import type { Surroundings } from "./surroundings.ts";

interface Program {
  readonly id: string;
  readonly name: string;
  readonly args: readonly string[];
  readonly debian: string;
  readonly use: string;
  readonly least?: readonly number[];
}

const programs: readonly Program[] = [
  { id: "qemu", name: "qemu-system-x86_64", args: ["--version"], debian: "qemu-system-x86", use: "runs microVMs", least: QEMU_MIN_VERSION },
  { id: "squashfs-tools", name: "mksquashfs", args: ["-version"], debian: "squashfs-tools", use: "makes rootfs images" },
  { id: "e2fsprogs", name: "mkfs.ext4", args: ["-V"], debian: "e2fsprogs", use: "makes the writable disks of machines" },
  { id: "fallocate", name: "fallocate", args: ["--version"], debian: "util-linux", use: "gives room of old output back" },
  { id: "prlimit", name: "prlimit", args: ["--version"], debian: "util-linux", use: "confines the packer of images" },
  { id: "setpriv", name: "setpriv", args: ["--version"], debian: "util-linux", use: "confines the packer of images" },
];

export async function installedPrograms(host: Surroundings): Promise<Finding[]> {
  return await Promise.all(programs.map((program) => check(host, program)));
}

async function check(host: Surroundings, { id, name, args, debian, use, least }: Program): Promise<Finding> {
  const version = await host.programVersion(name, args);
  if (version === undefined) return flaw("error", id, `${name} is missing`, `it ${use}`, `apt-get install ${debian}`);
  if (least && !atLeast(version, least)) {
    return flaw(
      "error",
      id,
      `${name} is too old`,
      `${version}; at least ${least.join(".")} is needed`,
      `Install a newer ${debian} (Debian 12 or later has it).`,
    );
  }
  return ok(id, `${name} is there`, version);
}

export function runtime(nodeVersion: string): Finding {
  if (atLeast(nodeVersion, NODE_MIN_VERSION)) return ok("node", "Node.js is new enough", nodeVersion);
  const detail = `${nodeVersion}; at least ${NODE_MIN_VERSION.join(".")} is needed`;
  return flaw("error", "node", "Node.js is too old", detail, "Start Isthmus by its launcher: ./isthmus");
}
