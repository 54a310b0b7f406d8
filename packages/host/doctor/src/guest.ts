import { dirname, join } from "node:path";
import { type Finding, IsthmusError } from "@isthmus/contract";
import { flaw, ok } from "./finding.ts";
import type { DoctorProbes, Surroundings } from "./surroundings.ts";

const ELF = Buffer.from("\x7fELF");
/** e_machine of x86-64, and where it stands (elf(5)) */
const ELF_X86_64 = 62;
const ELF_MACHINE_AT = 18;

/** The programs of ours that run in every guest. */
export async function agent(host: Surroundings, { agentPath }: DoctorProbes): Promise<Finding> {
  for (const path of [agentPath, join(dirname(agentPath), "isthmus-task")]) {
    const head = await host.head(path, ELF_MACHINE_AT + 2);
    const found = head === undefined ? "it cannot be read" : isGuestProgram(head) ? undefined : "it is no program for x86-64";
    if (found !== undefined) return flaw("error", "agent", "the guest agent is not there", `${path}: ${found}`, "Build it: make agent");
  }
  return ok("agent", "the guest agent is there", agentPath);
}

function isGuestProgram(head: Buffer): boolean {
  return head.length === ELF_MACHINE_AT + 2 && head.subarray(0, ELF.length).equals(ELF) && head.readUInt16LE(ELF_MACHINE_AT) === ELF_X86_64;
}

/** The kernel that new machines boot. */
export async function kernel({ kernels }: DoctorProbes): Promise<Finding> {
  try {
    const { version, kernelPath } = await kernels.resolve();
    return ok("kernel", "there is a guest kernel", `${version} at ${kernelPath}`);
  } catch (cause) {
    const error = IsthmusError.from(cause);
    return flaw("error", "kernel", "no guest can be booted", error.message, error.remedy);
  }
}
