import { type Finding, formatBytes } from "@isthmus/contract";
import { DISK_FREE_ERROR_BYTES, DISK_FREE_WARN_BYTES } from "./config.ts";
import { flaw, ok } from "./finding.ts";
import type { DoctorProbes, Surroundings } from "./surroundings.ts";

export async function permissions(host: Surroundings, probes: DoctorProbes): Promise<Finding[]> {
  return [user(probes.uid), await kvmDevice(host), await dataFolder(host, probes.home)];
}

function user(uid: number): Finding {
  if (uid === 0) return ok("user", "the daemon runs as root", "everything is available");
  const remedy = "Run the daemon as root for cgroup limits; machines with user-mode networking work without.";
  return flaw("note", "user", "the daemon runs as a plain user", `uid ${uid}: no cgroup limits`, remedy);
}

async function kvmDevice(host: Surroundings): Promise<Finding> {
  if (!(await host.exists("/dev/kvm"))) {
    return flaw(
      "note",
      "kvm-device",
      "there is no /dev/kvm",
      "the processor or the hypervisor above offers no virtualization",
      "Enable it in the firmware or the cloud instance, or go on with software emulation.",
    );
  }
  if (await host.writable("/dev/kvm"))
    return ok("kvm-device", "/dev/kvm can be opened", "whether guests boot with it is what the accelerator finding says");
  return flaw(
    "warning",
    "kvm-device",
    "/dev/kvm cannot be opened",
    "no permission",
    "Add the daemon's user to group kvm (usermod -aG kvm USER) and start the daemon again.",
  );
}

async function dataFolder(host: Surroundings, home: string): Promise<Finding> {
  const free = await host.freeBytes(home);
  if (free === undefined || !(await host.writable(home))) {
    return flaw(
      "error",
      "data-folder",
      "the data folder cannot be written",
      home,
      `Make ${home} belong to the daemon's user, or set ISTHMUS_HOME.`,
    );
  }
  const detail = `${home}: ${formatBytes(free)} free`;
  const remedy = "Free disk space there: isthmus image ls, isthmus rm; or move the folder and set ISTHMUS_HOME.";
  if (free < DISK_FREE_ERROR_BYTES) return flaw("error", "data-folder", "the disk is almost full", detail, remedy);
  if (free < DISK_FREE_WARN_BYTES) return flaw("warning", "data-folder", "little disk space is left", detail, remedy);
  return ok("data-folder", "the data folder is writable", detail);
}
