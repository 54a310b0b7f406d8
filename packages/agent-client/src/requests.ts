import type { MachineStats } from "@isthmus/contract";
import { type JsonObject, numberField, objectField, textField } from "./control.ts";
import { violation } from "./frames.ts";

export interface ClockTime {
  readonly sec: number;
  readonly nsec: number;
}

/** Identity and surroundings of a guest: given once after its boot, before all else, and again to one that was cloned while its workload ran. */
export interface ConfigureRequest {
  readonly hostname: string;
  /** 32 hex digits */
  readonly machineId: string;
  /** UUID in lower case, for /proc/sys/kernel/random/boot_id; a guest that was not cloned has its kernel's own */
  readonly bootId?: string;
  readonly clock: ClockTime;
  /** in hex, at most 512 bytes before encoding */
  readonly entropy: string;
  readonly network: null | NetworkRequest;
}

/** Of a guest whose network is up already the address may be missing: `mac` alone is set without taking it down. */
export interface NetworkRequest {
  /** "52:54:00:12:34:56"; the device's own when missing */
  readonly mac?: string;
  /** with the length of its prefix: 10.0.2.15/24 */
  readonly address?: string;
  readonly gateway?: string;
  /** IPv6, with the length of its prefix: fd89::2/64; kept when missing */
  readonly address6?: string;
  readonly gateway6?: string;
  readonly dns?: readonly string[];
}

/** A process in the guest. */
export interface ProcessRequest {
  readonly argv: readonly string[];
  /** K=V */
  readonly env: readonly string[];
  readonly cwd: string;
  /** "", uid, uid:gid, name or name:group */
  readonly user: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly cols?: number;
  readonly rows?: number;
}

export interface StartRequest extends ProcessRequest {
  /** output kept while no host listens */
  readonly unattendedMaxBytes: number;
}

export interface GuestPathStat {
  readonly type: "file" | "directory" | "symlink" | "other";
  readonly size: number;
  readonly mode: number;
  readonly target?: string;
}

/** What the guest knows of its own use. */
export type AgentStats = Pick<MachineStats, "uptimeMs" | "cpuMs" | "memory" | "disk" | "net" | "processes">;

/** Throws AGENT_PROTOCOL. */
export function readStats(reply: JsonObject): AgentStats {
  const memory = objectField(reply, "memory");
  const disk = objectField(reply, "disk");
  const net = objectField(reply, "net");
  return {
    uptimeMs: numberField(reply, "uptimeMs"),
    cpuMs: numberField(reply, "cpuMs"),
    memory: {
      totalBytes: numberField(memory, "totalBytes"),
      freeBytes: numberField(memory, "freeBytes"),
      availableBytes: numberField(memory, "availableBytes"),
      cachedBytes: numberField(memory, "cachedBytes"),
    },
    disk: {
      readBytes: numberField(disk, "readBytes"),
      writtenBytes: numberField(disk, "writtenBytes"),
      totalBytes: numberField(disk, "totalBytes"),
      freeBytes: numberField(disk, "freeBytes"),
    },
    net: { rxBytes: numberField(net, "rxBytes"), txBytes: numberField(net, "txBytes") },
    processes: numberField(reply, "processes"),
  };
}

/** Throws AGENT_PROTOCOL. */
export function readPathStat(reply: JsonObject): GuestPathStat {
  const type = textField(reply, "type");
  if (type !== "file" && type !== "directory" && type !== "symlink" && type !== "other") throw violation(`unknown file type ${type}`);
  const target = typeof reply.target === "string" ? { target: reply.target } : {};
  return { type, size: numberField(reply, "size"), mode: numberField(reply, "mode"), ...target };
}
