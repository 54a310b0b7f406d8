import process from "node:process";
import type { Doctor } from "@isthmus/core";
import { accelerator } from "./accelerator.ts";
import { cgroup, pressure } from "./cgroup.ts";
import { kernelAndAgent } from "./guest.ts";
import { hostLimits } from "./limits.ts";
import { permissions } from "./permissions.ts";
import { installedPrograms, runtime } from "./programs.ts";
import { type DoctorProbes, Surroundings } from "./surroundings.ts";

/** Looks at everything anew at each report, all at once; a report never rejects for what it finds. */
export function createDoctor(probes: DoctorProbes, host = new Surroundings()): Doctor {
  return {
    async report() {
      const groups = await Promise.all([
        accelerator(probes),
        kernelAndAgent(probes),
        installedPrograms(host),
        runtime(probes, process.version),
        permissions(host, probes),
        cgroup(host),
        pressure(host),
        hostLimits(host),
      ]);
      const findings = groups.flat();
      return { findings, ok: findings.every(({ level }) => level !== "error") };
    },
  };
}
