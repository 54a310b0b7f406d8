/** Limits of the guest protocol (docs/guest-protocol.md) as the host keeps them. Units are in the names. */

/** What the agent says when a session begins. */
export const GREETING_MAGIC = Buffer.from("ISTHMUS-AGENT/1\n", "latin1");
export const PROTOCOL_VERSION = 1;

export const FRAME_HEADER_BYTES = 12;
export const FRAME_PAYLOAD_BYTES = 65_536;
export const JSON_DEPTH = 8;

/** Payload bytes that may be outstanding on a new stream, each channel and direction. */
export const INITIAL_CREDIT_BYTES = 262_144;
/** Consumed bytes are granted again once they reach this much: fewer CREDIT frames, never a stalled sender. */
export const CREDIT_BATCH_BYTES = 65_536;
/** A sender's credit beyond this is a protocol error: nothing needs it, and a sum must not overflow. */
export const CREDIT_MAX_BYTES = 0xffff_ffff;

/** Of what a transfer says went wrong; the guest sends less. */
export const TRANSFER_WORDS_BYTES = 8_192;

export const STREAMS_MAX = 64;
export const PENDING_REQUESTS_MAX = 64;

/** Noise read while hunting for the greeting before the session is given up. */
export const HUNT_MAX_BYTES = 4 * 1024 * 1024;
/** Without a greeting after this the socket is closed and connected again. */
export const GREETING_DEADLINE_MS = 2_000;
/** A guest under software emulation on a loaded host answers late, not never. */
export const REQUEST_DEADLINE_MS = 20_000;
/** Unsent bytes towards the guest at which writers are made to wait. */
export const WRITE_BUFFER_BYTES = 256 * 1024;

export const RECORD_HEADER_BYTES = 24;
export const RECORD_PAYLOAD_BYTES = 65_536;
/** Records that one write of the VMM may hold, at least. */
export const RECORDS_PASSED = 16;
