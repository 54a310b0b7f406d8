import { chmod, lstat, mkdir, unlink } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { IsthmusError } from "@isthmus/contract";
import { PROBE_TIMEOUT_MS, SOCKET_FOLDER_MODE, SOCKET_MODE } from "./config.ts";
import type { App } from "./deps.ts";

/** Longest path of a Unix socket, sockaddr_un in unix(7) */
const PATH_BYTES = 107;

function bad(socketPath: string, reason: string, cause?: unknown): IsthmusError {
  return new IsthmusError("CONFIG_INVALID", { field: "socketPath", value: socketPath, reason }, { cause });
}

/** True when a process listens at `socketPath`. */
async function somebodyAnswers(socketPath: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = net.connect(socketPath);
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => done(true));
    socket.once("connect", () => done(true));
    socket.once("error", (error: NodeJS.ErrnoException) => done(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"));
  });
}

/** Takes away a socket that an ended daemon left. Throws CONFIG_INVALID when one answers there or it is no socket. */
async function clearStale(socketPath: string): Promise<void> {
  const found = await lstat(socketPath).catch(() => undefined);
  if (!found) return;
  if (!found.isSocket()) throw bad(socketPath, "there is something that is not a socket");
  if (await somebodyAnswers(socketPath)) throw bad(socketPath, "another process listens there");
  await unlink(socketPath);
}

/** Listens at `socketPath`, a socket that only its owner may use from the first moment on. Throws CONFIG_INVALID. */
export async function listenOnSocket(app: App, socketPath: string): Promise<void> {
  if (!path.isAbsolute(socketPath)) throw bad(socketPath, "it must be absolute");
  if (Buffer.byteLength(socketPath) > PATH_BYTES) throw bad(socketPath, `it is longer than ${PATH_BYTES} bytes`);
  await app.ready();
  await mkdir(path.dirname(socketPath), { recursive: true, mode: SOCKET_FOLDER_MODE }).catch((cause: Error) => {
    throw bad(socketPath, cause.message, cause);
  });
  await clearStale(socketPath);
  // bind(2) is called before listen() returns, so no other file is made under this mask.
  const before = process.umask(0o777 & ~SOCKET_MODE);
  let listening: Promise<unknown>;
  try {
    listening = new Promise((resolve, reject) => app.server.once("listening", resolve).once("error", reject));
    app.server.listen({ path: socketPath });
  } finally {
    process.umask(before);
  }
  await listening.catch((cause: Error) => {
    throw bad(socketPath, cause.message, cause);
  });
  await chmod(socketPath, SOCKET_MODE);
}
