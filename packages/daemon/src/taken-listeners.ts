import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { IsthmusError, type PublishedPort } from "@isthmus/contract";
import { TAKE_MS } from "./config.ts";

/** Beside the guest agent (`guest/agent/host/take_listeners.c`). */
export const TAKER = "isthmus-take";

/** What Node makes a server of. */
export type NativeListener = { close(): void };

const wordsFor = ({ address, host }: PublishedPort): string => `${address} ${host}`;

/**
 * The very sockets with which a process listens on these ports, in their order; it has them too. Throws HOST_COMMAND_FAILED when it listens on one of them no more, or this user may not ask
 * it (see kernel.yama.ptrace_scope); nothing is taken then.
 */
export async function takeListeners(program: string, pid: number, ports: readonly PublishedPort[]): Promise<readonly NativeListener[]> {
  const words = ports.flatMap(({ address, host }) => [address, String(host)]);
  const child = spawn(program, [String(pid), ...words], { stdio: ["ignore", "ignore", "pipe", "ipc"], timeout: TAKE_MS });
  const taken = new Map<unknown, NativeListener>();
  child.on("message", (name, handle) => {
    if (isListener(handle)) taken.set(name, handle);
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    // Not its end: what it handed on may be on its way still.
    child.once("close", (code, signal) => resolve(code === 0 ? "" : `it ended with ${signal ?? `status ${code}`}`));
  });
  const [failed, said] = await Promise.all([ended, child.stderr === null ? "" : text(child.stderr)]);
  const listeners = ports.map((port) => taken.get(wordsFor(port)));
  if (failed === "" && listeners.every((one) => one !== undefined)) return listeners;
  for (const one of taken.values()) one.close();
  throw new IsthmusError("HOST_COMMAND_FAILED", { program: TAKER, reason: said.trim() || failed });
}

function isListener(handle: unknown): handle is NativeListener {
  return typeof handle === "object" && handle !== null && "close" in handle;
}
