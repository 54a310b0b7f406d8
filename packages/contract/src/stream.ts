/**
 * Messages of the exec and attach WebSockets: one byte says the channel, the rest is payload.
 *
 * Client → server: `START` first on an exec socket (JSON ExecSpec), then `STDIN` bytes (empty = end of input), `RESIZE`, `SIGNAL`.
 * Server → client: `STARTED`, `STDOUT`, `STDERR`, then one `EXIT` or `ERROR` before the socket closes.
 */
export const channels = {
  stdin: 0,
  stdout: 1,
  stderr: 2,
  start: 3,
  started: 4,
  resize: 5,
  signal: 6,
  exit: 7,
  error: 8,
} as const;

export type Channel = keyof typeof channels;

/** Bytes of one message at most, the channel byte included. */
export const STREAM_MESSAGE_BYTES = 1024 * 1024;

/**
 * A record of a raw log stream that tells of the next one: where reading goes on after it, as u64 big-endian. It comes before, so that a reader which was cut
 * off within a record knows which one it was.
 */
export const LOG_PLACE_CHANNEL = 9;

/** The version prefix of every path of the API. */
export const API_PREFIX = "/v1";
