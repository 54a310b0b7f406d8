import type { Finding } from "@isthmus/contract";
import { flaw, ok } from "./finding.ts";
import type { Surroundings } from "./surroundings.ts";

export type CgroupForm = "v2" | "v1" | "hybrid" | "none";

/** The form of cgroups by what is mounted (cgroups(7)): v2 alone, v1 alone, or v2 beside v1 with the controllers on v1. */
export async function cgroupForm(host: Surroundings): Promise<{ form: CgroupForm; controllers: string[] }> {
  const mounts = ((await host.text("/proc/self/mounts")) ?? "").split("\n").map((line) => line.split(" "));
  const v1 = mounts.filter(([, , type]) => type === "cgroup").flatMap(([, , , options = ""]) => options.split(","));
  const v2 = mounts.find(([, , type]) => type === "cgroup2")?.[1];
  const known = ["cpu", "memory", "io", "blkio", "pids"];
  if (v2 === undefined)
    return v1.length > 0 ? { form: "v1", controllers: known.filter((name) => v1.includes(name)) } : { form: "none", controllers: [] };
  const unified = ((await host.text(`${v2}/cgroup.controllers`)) ?? "").trim().split(/\s+/);
  if (v1.length > 0) return { form: "hybrid", controllers: known.filter((name) => v1.includes(name) || unified.includes(name)) };
  return { form: "v2", controllers: known.filter((name) => unified.includes(name)) };
}

export async function cgroup(host: Surroundings): Promise<Finding> {
  const { form, controllers } = await cgroupForm(host);
  const detail = `form ${form}, controllers: ${controllers.join(" ") || "none"}`;
  if (form === "none" || controllers.length === 0) {
    return flaw(
      "warning",
      "cgroup",
      "there are no cgroup controllers",
      detail,
      "Mount cgroup2 at /sys/fs/cgroup (systemd does); until then machines have no host-side limits.",
    );
  }
  if (form === "v2") return ok("cgroup", "cgroup v2 is there", detail);
  return flaw(
    "note",
    "cgroup",
    `cgroups are in the older form ${form}`,
    detail,
    "Boot with systemd.unified_cgroup_hierarchy=1 for cgroup v2; Isthmus works with this form too.",
  );
}

/** Linux pressure stall information (Documentation/accounting/psi.rst). */
export async function pressure(host: Surroundings): Promise<Finding> {
  const lines = await Promise.all(["cpu", "memory", "io"].map(async (kind) => ({ kind, text: await host.text(`/proc/pressure/${kind}`) })));
  const found = lines.filter(({ text }) => text !== undefined);
  if (found.length === lines.length) {
    const figures = found.map(({ kind, text }) => `${kind} ${/some avg10=([\d.]+)/.exec(text ?? "")?.[1] ?? "?"} %`);
    return ok("psi", "the kernel reports pressure", `some avg10: ${figures.join(", ")}`);
  }
  return flaw(
    "note",
    "psi",
    "the kernel reports no pressure",
    "no /proc/pressure",
    "Boot with psi=1; until then load and free memory are used instead.",
  );
}
