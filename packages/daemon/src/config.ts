import { join } from "node:path";
import { MIB } from "@isthmus/contract";
import type { AdmissionSettings, PoolSettings } from "@isthmus/core";
import type { RegistrySettings } from "@isthmus/host-images";
import { readAdmission } from "./admission-settings.ts";
import type { HostPathPolicy } from "./host-paths.ts";
import { readPools } from "./pool-settings.ts";
import { readRegistries } from "./registry-settings.ts";
import { duration, type Environment, invalid, onOrOff, setting } from "./setting.ts";

/** connections to a suspended machine that wait until it is resumed */
export const HELD_CONNECTIONS_MAX = 256;
/** for a process's ports to be taken over */
export const TAKE_MS = 5_000;
/** of this program; the package's */
export const VERSION = "0.1.0";
/** `daemon.log` is set aside as `daemon.log.1` when it is larger. */
export const LOG_ROTATE_BYTES = 16 * MIB;
/** Between two looks at the size of `daemon.log`. */
export const LOG_CHECK_MS = 60_000;
/** Lines of the log that wait for room on a full disk. */
export const LOG_WAITING_BYTES = MIB;
/** Between two looks at the files of certificate, key and client authorities. */
export const TLS_LOOK_MS = 10_000;
/** Time that a stop may take before the process ends anyway. */
export const STOP_DEADLINE_MS = 15_000;
/** sockaddr_un holds 107 characters (unix(7)); this leaves room for the socket's name. */
export const SOCKET_FOLDER_CHARS_MAX = 90;

/** An idle guest wakes every few seconds: within less it is not known to be idle. */
const IDLE_CODE_MS_MIN = 1_000;

export interface TcpConfig {
  readonly host: string;
  readonly port: number;
  readonly certPath: string;
  readonly keyPath: string;
  /** of the authorities whose clients are let in; without it clients need no certificate */
  readonly clientCaPath?: string;
  /** of a token that may do everything; without it clients use those that were made with the API */
  readonly tokenPath?: string;
}

export interface DaemonConfig {
  /** data folder */
  readonly home: string;
  /** folder of sockets */
  readonly runFolder: string;
  readonly socketPath: string;
  readonly agentPath: string;
  readonly kernelPath?: string;
  /** options of a kernel that is built */
  readonly kernelFragmentPath: string;
  /** file of the key that secrets are sealed with; made when the first one is */
  readonly secretsKeyPath: string;
  readonly logLevel: string;
  readonly tcp?: TcpConfig;
  /** false: every machine boots */
  readonly templates: boolean;
  /** false: every engine process is executed by itself */
  readonly forks: boolean;
  /** ms that an emulated guest is idle before its translated code is given back; absent: the engine's default */
  readonly idleCodeMs?: number | "keep";
  /** absent: no clone is prepared ahead */
  readonly pools?: PoolSettings;
  /** false: the host is not watched, and nothing is done about pressure */
  readonly contention: boolean;
  /** group below which engine processes get theirs; `auto` finds one, `off` leaves them in the daemon's */
  readonly cgroup: string;
  /** which paths of the host machines may be given, and by whom */
  readonly hostPaths: HostPathPolicy;
  /** limits that were set */
  readonly admission: AdmissionSettings;
  /** how registries are reached */
  readonly registries: RegistrySettings;
  /** fault tests: the place where the daemon kills itself */
  readonly crashAt?: string;
}

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal"];

/** Settings from `ISTHMUS_*` variables, with the defaults of docs/architecture.md "The data folder". Throws CONFIG_INVALID. */
export function readConfig(env: Environment, uid: number, root: string): DaemonConfig {
  const home = absolute("ISTHMUS_HOME", env.ISTHMUS_HOME || defaultHome(env, uid));
  const socketPath = absolute("ISTHMUS_SOCKET", env.ISTHMUS_SOCKET || join(defaultRun(env, uid), "isthmus.sock"));
  const logLevel = env.ISTHMUS_LOG_LEVEL || "info";
  if (!logLevels.includes(logLevel)) throw invalid("ISTHMUS_LOG_LEVEL", logLevel, `must be one of ${logLevels.join(", ")}`);
  return {
    home,
    runFolder: join(socketPath, ".."),
    socketPath,
    agentPath: env.ISTHMUS_AGENT || join(root, "guest/agent/build/isthmus-agent"),
    kernelPath: env.ISTHMUS_KERNEL || undefined,
    kernelFragmentPath: join(root, "guest/kernel/microvm.config"),
    secretsKeyPath: absolute("ISTHMUS_SECRETS_KEY_FILE", env.ISTHMUS_SECRETS_KEY_FILE || join(home, "secrets.key")),
    logLevel,
    tcp: readTcp(env),
    templates: onOrOff(env, "ISTHMUS_TEMPLATES"),
    forks: onOrOff(env, "ISTHMUS_FORK_SERVER"),
    idleCodeMs: env.ISTHMUS_IDLE_CODE === "keep" ? "keep" : setting(env, "ISTHMUS_IDLE_CODE", duration(IDLE_CODE_MS_MIN)),
    pools: onOrOff(env, "ISTHMUS_POOLS") ? readPools(env) : undefined,
    contention: onOrOff(env, "ISTHMUS_CONTENTION"),
    cgroup: cgroup(env.ISTHMUS_CGROUP || "auto"),
    hostPaths: hostPaths(env.ISTHMUS_HOST_PATHS || "owner"),
    admission: readAdmission(env),
    registries: readRegistries(env),
    crashAt: env.CRASH_AT || undefined,
  };
}

function defaultHome(env: Environment, uid: number): string {
  if (uid === 0) return "/var/lib/isthmus";
  return join(env.XDG_DATA_HOME || join(env.HOME || "/", ".local/share"), "isthmus");
}

function defaultRun(env: Environment, uid: number): string {
  return uid === 0 ? "/run/isthmus" : join(env.XDG_RUNTIME_DIR || `/run/user/${uid}`, "isthmus");
}

function cgroup(value: string): string {
  if (value === "auto" || value === "off" || (/^\/[^\0\n]*$/.test(value) && !value.split("/").includes(".."))) return value;
  throw invalid("ISTHMUS_CGROUP", value, "must be auto, off, or the path of a group such as /machines");
}

function hostPaths(value: string): HostPathPolicy {
  if (value === "owner" || value === "off") return value;
  return value.split(":").map((root) => absolute("ISTHMUS_HOST_PATHS", root));
}

/** TCP is off unless an address is given; then TLS is required. */
function readTcp(env: Environment): TcpConfig | undefined {
  const address = env.ISTHMUS_TCP_ADDRESS;
  if (!address) return undefined;
  const match = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(address);
  const port = Number(match?.[2]);
  if (!match?.[1] || port > 65_535) throw invalid("ISTHMUS_TCP_ADDRESS", address, "must be HOST:PORT");
  const need = (field: "ISTHMUS_TLS_CERT" | "ISTHMUS_TLS_KEY") => {
    const value = env[field];
    if (!value) throw invalid(field, "", "TCP is served with TLS only");
    return absolute(field, value);
  };
  const [certPath, keyPath] = [need("ISTHMUS_TLS_CERT"), need("ISTHMUS_TLS_KEY")];
  const may = (field: "ISTHMUS_TLS_CLIENT_CA_FILE" | "ISTHMUS_TOKEN_FILE") => {
    const value = env[field];
    return value ? absolute(field, value) : undefined;
  };
  const [clientCaPath, tokenPath] = [may("ISTHMUS_TLS_CLIENT_CA_FILE"), may("ISTHMUS_TOKEN_FILE")];
  return { host: match[1], port, certPath, keyPath, clientCaPath, tokenPath };
}

function absolute(field: string, value: string): string {
  if (!value.startsWith("/")) throw invalid(field, value, "must be an absolute path");
  if (/[\n\0]/.test(value)) throw invalid(field, value, "must not hold line breaks");
  return value;
}
