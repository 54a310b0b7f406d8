import { type Finding, IsthmusError } from "@isthmus/contract";
import { flaw, ok } from "./finding.ts";
import type { DoctorProbes } from "./surroundings.ts";

/** The kernel that new machines boot, and with it the agent in its initramfs. */
export async function kernelAndAgent({ kernels }: DoctorProbes): Promise<Finding> {
  try {
    const { version, kernelPath } = await kernels.resolve();
    return ok("kernel", "a guest kernel and the agent are there", `${version} at ${kernelPath}`);
  } catch (cause) {
    const error = IsthmusError.from(cause);
    return flaw("error", "kernel", "no guest can be booted", error.message, error.remedy);
  }
}
