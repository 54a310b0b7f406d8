import { join } from "node:path";
import type { KernelFiles } from "./kernel-files.ts";

export interface MemoryGroup {
  readonly version: "v1" | "v2";
  readonly folder: string;
}

/** Has the kernel take back about `bytes` of a group's memory. Returns how much less it has. Only memory that can be had again is taken: without swap, what files hold too. */
export async function reclaim(files: KernelFiles, group: MemoryGroup, bytes: number): Promise<number> {
  const file = (name: string) => join(group.folder, name);
  const used = () => Number(files.text(file(group.version === "v2" ? "memory.current" : "memory.usage_in_bytes")) ?? 0);
  const before = used();
  const aim = Math.max(0, before - bytes);
  if (group.version === "v1") await squeeze(files, file("memory.limit_in_bytes"), file("memory.oom_control"), aim);
  else if (files.exists(file("memory.reclaim"))) await files.writeSlowly(file("memory.reclaim"), bytes);
  else {
    // Above it the kernel reclaims and slows, but ends nothing.
    await files.writeSlowly(file("memory.high"), aim);
    files.write(file("memory.high"), "max");
  }
  return Math.max(0, before - used());
}

/** v1 reclaims only for a lower limit. It is taken when enough was reclaimed, and put back; meanwhile a process that needs more waits and is not ended. */
async function squeeze(files: KernelFiles, limit: string, oomControl: string, aim: number): Promise<void> {
  const earlier = (files.text(limit) ?? "-1").trim();
  if (files.write(oomControl, 1) !== undefined) return;
  try {
    await files.writeSlowly(limit, aim);
  } finally {
    files.write(limit, earlier);
    files.write(oomControl, 0);
  }
}
