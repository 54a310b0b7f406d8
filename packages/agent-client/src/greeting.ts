import type { Duplex } from "node:stream";
import { IsthmusError } from "@isthmus/contract";
import { FRAME_HEADER_BYTES, GREETING_MAGIC, HUNT_MAX_BYTES, PROTOCOL_VERSION } from "./config.ts";
import { numberField, parseControl, textField } from "./control.ts";
import { encodeFrame, FrameDecoder, violation } from "./frames.ts";

export type GuestState = "idle" | "running" | "exited";

/** What the agent says of itself when a session begins. */
export interface Greeting {
  readonly session: number;
  readonly version: string;
  readonly state: GuestState;
  readonly kernel: string;
}

function isGuestState(value: string): value is GuestState {
  return value === "idle" || value === "running" || value === "exited";
}

function readGreeting(payload: Buffer): Greeting {
  const hello = parseControl(payload, "HELLO");
  const protocol = numberField(hello, "protocol");
  if (protocol !== PROTOCOL_VERSION) throw violation(`the agent speaks version ${protocol}, not ${PROTOCOL_VERSION}`);
  const state = textField(hello, "state");
  if (!isGuestState(state)) throw violation(`unknown state ${state}`);
  const version = textField(hello, "version");
  return { session: numberField(hello, "session"), version, state, kernel: typeof hello.kernel === "string" ? hello.kernel : "" };
}

/** Finds the greeting in a byte stream that may begin in the middle of anything. */
export class GreetingHunter {
  #held: Buffer = Buffer.alloc(0);
  #seen = 0;

  /**
   * The greeting and the bytes after it once it is complete. When several lie in the bytes (the guest saw a quick reconnect late), the last counts.
   * Throws AGENT_PROTOCOL when the greeting is broken or does not come within `HUNT_MAX_BYTES`.
   */
  push(chunk: Buffer): { greeting: Greeting; rest: Buffer } | undefined {
    this.#seen += chunk.length;
    if (this.#seen > HUNT_MAX_BYTES) throw violation(`no greeting in ${HUNT_MAX_BYTES} bytes`);
    const bytes = Buffer.concat([this.#held, chunk]);
    const at = bytes.lastIndexOf(GREETING_MAGIC);
    if (at < 0) {
      this.#held = Buffer.from(bytes.subarray(Math.max(0, bytes.length - GREETING_MAGIC.length + 1)));
      return undefined;
    }
    this.#held = Buffer.from(bytes.subarray(at));
    const after = this.#held.subarray(GREETING_MAGIC.length);
    const first = new FrameDecoder().push(after).next();
    if (first.done === true) return undefined;
    if (first.value.type !== "hello" || first.value.stream !== 0) throw violation("the first frame is no HELLO");
    const rest = after.subarray(FRAME_HEADER_BYTES + first.value.payload.length);
    return { greeting: readGreeting(first.value.payload), rest };
  }
}

/**
 * Waits for the greeting on `duplex` and answers it. Throws AGENT_UNREACHABLE (no greeting in time, or the channel closed) or AGENT_PROTOCOL;
 * the channel is then destroyed. On success it is paused, so that no byte is lost before somebody listens.
 */
export async function greet(
  duplex: Duplex,
  options: { readonly name: string; readonly deadlineMs: number; readonly signal?: AbortSignal },
): Promise<{ greeting: Greeting; rest: Buffer }> {
  const { name, deadlineMs, signal } = options;
  const unreachable = (reason: string, cause?: unknown) => new IsthmusError("AGENT_UNREACHABLE", { name, reason }, { cause });
  const hunter = new GreetingHunter();
  return await new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      clearTimeout(timer);
      duplex.off("data", onData).off("close", onClose).off("end", onClose).off("error", onError);
      signal?.removeEventListener("abort", onAbort);
      finish();
    };
    const fail = (error: IsthmusError) =>
      settle(() => {
        duplex.on("error", () => {});
        duplex.destroy();
        reject(error);
      });
    const onClose = () => fail(unreachable("it closed the channel before its greeting"));
    const onError = (cause: Error) => fail(unreachable(cause.message, cause));
    const onAbort = () => fail(new IsthmusError("CANCELLED", { what: `connecting to ${name}` }));
    const onData = (chunk: Buffer) => {
      try {
        const found = hunter.push(chunk);
        if (found === undefined) return;
        duplex.pause();
        const answer = JSON.stringify({ protocol: PROTOCOL_VERSION, session: found.greeting.session });
        duplex.write(encodeFrame("hello", 0, Buffer.from(answer)));
        settle(() => resolve(found));
      } catch (cause) {
        fail(IsthmusError.from(cause));
      }
    };
    const timer = setTimeout(() => fail(unreachable(`no greeting within ${deadlineMs} ms`)), deadlineMs);
    duplex.on("data", onData).on("close", onClose).on("end", onClose).on("error", onError);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();
  });
}
