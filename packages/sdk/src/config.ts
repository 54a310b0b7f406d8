import { KIB, MIB } from "@isthmus/contract";

/** Connections to one daemon at once; streams hold one each. */
export const MAX_SOCKETS = 1024;
/** Idle connections kept for the next request. */
export const MAX_FREE_SOCKETS = 4;
/** How long an idle connection is kept, below the daemon's own limit so that it is never closed under a request. */
export const IDLE_SOCKET_MS = 30_000;
/** Time to reach a daemon over TCP. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Time for a daemon to cut a connection whose client certificate it refuses. */
export const REFUSAL_MS = 1_000;
/** TCP keep-alive probes find a peer that is gone. */
export const KEEPALIVE_PROBE_MS = 30_000;
/** Largest JSON answer that is read. */
export const JSON_ANSWER_BYTES = 64 * MIB;
/** Largest error answer that is read. */
export const ERROR_ANSWER_BYTES = 1 * MIB;
/** Longest line of a line stream. */
export const LINE_BYTES = 4 * MIB;
/** Largest record of a raw log stream. */
export const RAW_RECORD_BYTES = 4 * MIB;
/** Bytes of stdin that go in one message. */
export const STDIN_CHUNK_BYTES = 64 * KIB;
/** Output that is held for a slow reader before the daemon is pushed back on. */
export const OUTPUT_BUFFER_BYTES = 256 * KIB;
/** Largest answer to a WebSocket handshake that is an error. */
export const HANDSHAKE_ANSWER_BYTES = 64 * KIB;
/** How long the far side may take to answer a close before the socket is cut. */
export const CLOSE_TIMEOUT_MS = 2_000;
/** Output that `execText` collects at most, per stream. */
export const EXEC_TEXT_BYTES = 64 * MIB;
/** Wait before the first try to reach a daemon that was lost. */
export const RECONNECT_FIRST_MS = 50;
/** Longest wait between two such tries. */
export const RECONNECT_LONGEST_MS = 2_000;
/** Machines asked for at once while listing. */
export const LIST_PAGE = 200;
/** Time that a docker credential helper has; some ask a person. */
export const CREDENTIAL_HELPER_MS = 60_000;
/** Largest answer of a docker credential helper. */
export const CREDENTIAL_BYTES = 64 * KIB;
/** What is told of a docker credential helper's reason to fail, in characters. */
export const HELPER_REASON_CHARS = 200;
