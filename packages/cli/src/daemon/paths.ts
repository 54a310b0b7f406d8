import { homedir } from "node:os";
import path from "node:path";
import { defaultSocketPath } from "@isthmus/sdk";

type Environment = Readonly<Record<string, string | undefined>>;

export interface DaemonPaths {
  /** $ISTHMUS_HOME, else /var/lib/isthmus (root) or isthmus under $XDG_DATA_HOME */
  readonly home: string;
  readonly socket: string;
  readonly log: string;
  /** held by the command that is starting the daemon */
  readonly lock: string;
}

export function daemonPaths(env: Environment = process.env, uid: number = process.getuid?.() ?? 0): DaemonPaths {
  const socket = defaultSocketPath(env, uid);
  const shared = env.XDG_DATA_HOME || path.join(env.HOME || homedir(), ".local", "share");
  const home = path.resolve(env.ISTHMUS_HOME || (uid === 0 ? "/var/lib/isthmus" : path.join(shared, "isthmus")));
  return { home, socket, log: path.join(home, "daemon.log"), lock: `${socket}.starting` };
}
