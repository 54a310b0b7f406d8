import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError } from "@isthmus/contract";
import { CONNECT_RETRY_MS } from "../config.ts";

async function connectOnce(path: string): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

/** A connected Unix socket; tries again while nobody listens there yet. At the deadline it throws what `failure` makes of the last cause; or CANCELLED. */
export async function connectSocket(
  path: string,
  options: {
    readonly deadlineMs: number;
    readonly failure: (reason: string, cause: unknown) => IsthmusError;
    readonly signal?: AbortSignal;
  },
): Promise<Socket> {
  const { deadlineMs, failure, signal } = options;
  const giveUpAt = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await connectOnce(path);
    } catch (cause) {
      if (signal?.aborted) throw new IsthmusError("CANCELLED", { what: `connecting to ${path}` }, { cause });
      if (performance.now() >= giveUpAt) throw failure(`nobody listens at ${path}`, cause);
    }
    await sleep(CONNECT_RETRY_MS);
  }
}
