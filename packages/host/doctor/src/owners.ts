import { dirname } from "node:path";
import type { Finding } from "@isthmus/contract";
import { flaw, ok } from "./finding.ts";
import type { DoctorProbes, PathStatus, Surroundings } from "./surroundings.ts";

const OTHERS = 0o077;
const octal = (mode: number) => mode.toString(8).padStart(4, "0");

/** Who owns what the daemon trusts, and who else gets at it: whoever does is master of the machines, and through a daemon that is root of the host. */
export async function owners(host: Surroundings, { home, socketPath, uid }: DoctorProbes): Promise<Finding[]> {
  const [folder, run, socket] = await Promise.all([host.status(home), host.status(dirname(socketPath)), host.status(socketPath)]);
  return [dataOwner(home, folder, uid), socketOwner(socketPath, run, socket, uid)];
}

function dataOwner(home: string, status: PathStatus | undefined, uid: number): Finding {
  const id = "data-owner";
  if (!status)
    return flaw("error", id, "the data folder is not there", home, "Start the daemon again, which makes it: isthmus daemon start");
  const detail = `${home}: uid ${status.uid}, mode ${octal(status.mode)}`;
  if (status.uid !== uid) return flaw("error", id, "the data folder belongs to somebody else", detail, `chown -R ${uid} ${home}`);
  if (status.mode & OTHERS) return flaw("warning", id, "others get into the data folder", detail, `chmod 700 ${home}`);
  return ok(id, "the data folder is the daemon's own", detail);
}

function socketOwner(path: string, folder: PathStatus | undefined, socket: PathStatus | undefined, uid: number): Finding {
  const id = "socket-owner";
  const again = "Start the daemon again: isthmus daemon stop, isthmus daemon start";
  if (!folder || !socket) return flaw("error", id, "the daemon's socket is not there", path, again);
  const detail = `${path}: uid ${socket.uid}, mode ${octal(socket.mode)}, in a folder of uid ${folder.uid}, mode ${octal(folder.mode)}`;
  const foreign = [folder, socket].some((status) => status.uid !== uid && status.uid !== 0);
  if (foreign)
    return flaw("error", id, "the socket or its folder belongs to somebody else", detail, "Set ISTHMUS_SOCKET to a folder of your own.");
  if (socket.mode & OTHERS) return flaw("error", id, "others may command the daemon", detail, `chmod 600 ${path}`);
  if (folder.mode & 0o022) return flaw("error", id, "others may put a socket of their own there", detail, `chmod 700 ${dirname(path)}`);
  return ok(id, "the socket is the daemon's own", detail);
}
