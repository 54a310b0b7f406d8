import process from "node:process";
import type { Doctor } from "@isthmus/core";
import { accelerator } from "./accelerator.ts";
import { cgroup, pressure } from "./cgroup.ts";
import { cgroupUse } from "./cgroup-use.ts";
import { agent, kernel } from "./guest.ts";
import { hostLimits } from "./limits.ts";
import { owners } from "./owners.ts";
import { permissions } from "./permissions.ts";
import { installedPrograms, runtime } from "./programs.ts";
import { store } from "./store.ts";
import { type DoctorProbes, Surroundings } from "./surroundings.ts";

/** Looks at everything anew at each report, all at once; a report never rejects for what it finds. */
export function createDoctor(probes: DoctorProbes, host = new Surroundings()): Doctor {
  return {
    async report(options = {}) {
      const groups = await Promise.all([
        accelerator(probes, options.probe ?? false),
        kernel(probes),
        agent(host, probes),
        installedPrograms(host),
        runtime(process.version),
        store(host, probes),
        permissions(host, probes),
        owners(host, probes),
        cgroup(host),
        cgroupUse(host, probes.shortcomings),
        pressure(host),
        hostLimits(host),
      ]);
      const findings = groups.flat();
      return { findings, ok: findings.every(({ level }) => level !== "error") };
    },
  };
}
