import { type Finding, IsthmusError } from "@isthmus/contract";
import { flaw, ok } from "./finding.ts";
import type { DoctorProbes } from "./surroundings.ts";

/** What really boots a guest here; `anew` does not believe an earlier verdict. */
export async function accelerator(probes: DoctorProbes, anew: boolean): Promise<Finding> {
  try {
    const { accelerator: kind, machineType, reason, probedAt } = await probes.accelerator(anew);
    const found = `${kind} with machine type ${machineType}, found by booting a guest at ${probedAt}`;
    if (kind === "kvm" && machineType === "microvm") return ok("accelerator", "hardware virtualization works", found);
    const remedy =
      kind === "tcg"
        ? "Machines work, some 10 times slower. For hardware virtualization enable VT-x/AMD-V (or nested virtualization of the cloud instance) and give access to /dev/kvm. When the host was very busy at the time of the probe: isthmus doctor --probe"
        : "Machines work; a newer QEMU may boot the lighter machine type.";
    return flaw(
      "note",
      "accelerator",
      kind === "tcg" ? "software emulation is in use" : "the lighter machine type does not boot",
      `${found}; ${reason}`,
      remedy,
    );
  } catch (cause) {
    const error = IsthmusError.from(cause);
    return flaw(
      "error",
      "accelerator",
      "no guest boots here",
      error.message,
      error.code === "NO_ACCELERATOR" ? "See the daemon's log (isthmus daemon logs), and try again: isthmus doctor --probe" : error.remedy,
    );
  }
}
