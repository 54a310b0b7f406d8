import { KIB, MIB } from "@isthmus/contract";

/** Connections to one listener at once; more are closed at once. */
export const MAX_CONNECTIONS = 2048;
/** Exec and attach sessions at once, over all listeners. */
export const MAX_SESSIONS = 512;
/** All headers of a request together. */
export const HEADER_BYTES = 16 * KIB;
/** Time for a client to send its headers. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** Time for a client to send a JSON body after its headers. */
export const BODY_TIMEOUT_MS = 30_000;
/** How often timeouts of unfinished headers are looked at. */
export const CONNECTION_CHECK_MS = 1_000;
/** How long an idle connection is kept; clients keep theirs for less. */
export const KEEP_ALIVE_MS = 75_000;
/** Time for a client to send `START` on an exec socket. */
export const START_TIMEOUT_MS = 10_000;
/** Characters of a path parameter such as a machine's name. */
export const PARAM_CHARS = 256;
/** Characters of a value that an error repeats. */
export const ECHO_CHARS = 100;
/** Bytes of a stream that are put together before they are written. */
export const BATCH_BYTES = 64 * KIB;
/** A piece of a stream that is written as it is, since copying it costs more than a write. */
export const LARGE_PIECE_BYTES = 8 * KIB;
/** Bytes of a stream that wait for a slow client. */
export const STREAM_BUFFER_BYTES = 256 * KIB;
/** Bytes that wait on a WebSocket before its source is pushed back on. */
export const SOCKET_BUFFER_BYTES = 1 * MIB;
/** Bytes of output in one WebSocket message. */
export const OUTPUT_MESSAGE_BYTES = 256 * KIB;
/** How long the headers of a stream wait for its first item. */
export const FIRST_ITEM_MS = 25;
/** Progress lines that wait for a slow client; older ones are left out. */
export const PROGRESS_LINES = 256;
/** Between two samples of a stream of stats. */
export const STATS_INTERVAL_MS = 1_000;
/** What clients are told to wait after a 429 or 503 that does not know better. */
export const RETRY_AFTER_S = 1;
/** Time for answers in progress when the door closes. */
export const CLOSE_GRACE_MS = 2_000;
/** From the end of a right to the end of connections that were made with it. */
export const REVOKED_GRACE_MS = 500;
/** Oldest TLS that is spoken. */
export const TLS_VERSION_MIN = "TLSv1.3";
/** Shortest token that a TCP listener takes. */
export const TOKEN_MIN_CHARS = 16;
/** Time to find out whether somebody answers at an existing socket. */
export const PROBE_TIMEOUT_MS = 1_000;
/** Access to the socket: its owner only. */
export const SOCKET_MODE = 0o600;
/** Access to a folder that is made for the socket: its owner only. */
export const SOCKET_FOLDER_MODE = 0o700;
/** Input that waits for a process before the client is pushed back on. */
export const SOCKET_INPUT_BYTES = 1 * MIB;
/** Between two pings on a WebSocket. */
export const SOCKET_PING_MS = 15_000;
/** Values of one filter of a list. */
export const FILTERS = 64;
/** of the keys that lead to a field, those that an error names: the last ones */
export const FIELD_KEYS = 8;
