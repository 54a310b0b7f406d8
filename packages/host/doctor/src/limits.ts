import { type Finding, formatBytes, KIB } from "@isthmus/contract";
import { MEMORY_FREE_WARN_BYTES, OPEN_FILES_WARN } from "./config.ts";
import { flaw, ok } from "./finding.ts";
import type { Surroundings } from "./surroundings.ts";

export async function hostLimits(host: Surroundings): Promise<Finding[]> {
  return [await openFiles(host), await processes(host), await memory(host)];
}

async function openFiles(host: Surroundings): Promise<Finding> {
  const line = /^Max open files\s+(\S+)\s+(\S+)/m.exec((await host.text("/proc/self/limits")) ?? "");
  const [soft = "?", hard = "?"] = [line?.[1], line?.[2]];
  const detail = `soft ${soft}, hard ${hard}`;
  if (soft === "unlimited" || Number(soft) >= OPEN_FILES_WARN) return ok("open-files", "enough files can be open", detail);
  return flaw(
    "warning",
    "open-files",
    "few files can be open",
    detail,
    `Raise it for the daemon: ulimit -n ${OPEN_FILES_WARN}, or LimitNOFILE= in its systemd unit.`,
  );
}

async function processes(host: Surroundings): Promise<Finding> {
  const [pids, threads] = await Promise.all([host.text("/proc/sys/kernel/pid_max"), host.text("/proc/sys/kernel/threads-max")]);
  const detail = `pid_max ${pids?.trim() ?? "?"}, threads-max ${threads?.trim() ?? "?"}`;
  const least = Math.min(Number(pids ?? 0), Number(threads ?? 0));
  if (least >= 32_000) return ok("processes", "enough processes can run", detail);
  return flaw("warning", "processes", "few processes can run", detail, "sysctl -w kernel.pid_max=4194304 kernel.threads-max=100000");
}

async function memory(host: Surroundings): Promise<Finding> {
  const info = (await host.text("/proc/meminfo")) ?? "";
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(info)?.[1] ?? 0) * KIB;
  const overcommit = (await host.text("/proc/sys/vm/overcommit_memory"))?.trim() ?? "?";
  const available = bytes("MemAvailable");
  const detail = `${formatBytes(available)} of ${formatBytes(bytes("MemTotal"))} available, swap ${formatBytes(bytes("SwapTotal"))}, overcommit ${overcommit}`;
  if (overcommit === "2")
    return flaw(
      "warning",
      "memory",
      "memory overcommit is off",
      detail,
      "sysctl -w vm.overcommit_memory=0; guests reserve more than they use.",
    );
  if (available < MEMORY_FREE_WARN_BYTES)
    return flaw("warning", "memory", "little memory is left", detail, "Stop machines or other programs.");
  return ok("memory", "there is memory for machines", detail);
}
