import { readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { EVICT_MS, LINE_BYTES } from "./config.ts";
import { endNow } from "./end-now.ts";
import { Lines } from "./lines.ts";

/** The process id that the first line of a socket says, whatever else it says. */
function pidAt(path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const lines = new Lines(LINE_BYTES);
    const finish = (pid?: number): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(pid);
    };
    const timer = setTimeout(finish, EVICT_MS);
    socket.on("error", () => finish()).on("close", () => finish());
    socket.on("data", (chunk: Buffer) => {
      try {
        const [first] = lines.push(chunk);
        if (first === undefined) return;
        const hello: unknown = JSON.parse(first);
        const pid: unknown = typeof hello === "object" && hello !== null ? Reflect.get(hello, "pid") : undefined;
        finish(typeof pid === "number" && Number.isSafeInteger(pid) && pid > 1 ? pid : undefined);
      } catch {
        finish();
      }
    });
  });
}

/** Ends a process that speaks another protocol, as one of another version does, and takes its socket away. What it did stays, for the next to replace. What listens there and is no process of ours is let live. */
export async function evict(path: string): Promise<void> {
  const pid = await pidAt(path);
  const command = pid === undefined ? "" : await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  if (pid !== undefined && command.includes(`\0--socket\0${path}\0`)) {
    endNow(pid);
    // Its ports are free when it is gone.
    while (
      await readFile(`/proc/${pid}/cmdline`, "utf8").then(
        (text) => text === command,
        () => false,
      )
    )
      await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await rm(path, { force: true });
}
