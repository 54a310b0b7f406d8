import type { Finding } from "@isthmus/contract";
import { flaw, ok } from "./finding.ts";
import type { Surroundings } from "./surroundings.ts";

type CgroupForm = "v2" | "v1" | "hybrid" | "none";

export interface CgroupMounts {
  /** mount point of each controller in its older form */
  readonly v1: ReadonlyMap<string, string>;
  readonly v2?: string;
}

const known = ["cpu", "memory", "io", "blkio", "pids"];

/** Where cgroups are mounted (cgroups(7)). */
export async function cgroupMounts(host: Surroundings): Promise<CgroupMounts> {
  const v1 = new Map<string, string>();
  let v2: string | undefined;
  for (const line of ((await host.text("/proc/self/mounts")) ?? "").split("\n")) {
    const [, point = "", type, options = ""] = line.split(" ");
    if (type === "cgroup2") v2 ??= point;
    if (type === "cgroup") for (const name of options.split(",")) if (known.includes(name)) v1.set(name, point);
  }
  return v2 === undefined ? { v1 } : { v1, v2 };
}

/** The form of cgroups by what is mounted: v2 alone, v1 alone, or v2 beside v1 with the controllers on v1. */
async function cgroupForm(host: Surroundings): Promise<{ form: CgroupForm; controllers: string[] }> {
  const { v1, v2 } = await cgroupMounts(host);
  if (v2 === undefined) return { form: v1.size > 0 ? "v1" : "none", controllers: known.filter((name) => v1.has(name)) };
  const unified = ((await host.text(`${v2}/cgroup.controllers`)) ?? "").trim().split(/\s+/);
  const controllers = known.filter((name) => v1.has(name) || unified.includes(name));
  return { form: v1.size > 0 ? "hybrid" : "v2", controllers };
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
