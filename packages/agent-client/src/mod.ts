export { getArchive, putArchive } from "./archive.ts";
export { GREETING_DEADLINE_MS, INITIAL_CREDIT_BYTES, RECORD_HEADER_BYTES, RECORD_PAYLOAD_BYTES, REQUEST_DEADLINE_MS } from "./config.ts";
export type { JsonObject } from "./control.ts";
export type { Greeting, GuestState } from "./greeting.ts";
export { type DecodedRecord, type DecodedRecords, decodeRecords, encodeRecord, OutputRecordDecoder, type RecordKind } from "./records.ts";
export {
  type AgentStats,
  type ClockTime,
  type ConfigureRequest,
  type GuestPathStat,
  type NetworkRequest,
  type ProcessRequest,
  readPathStat,
  type StartRequest,
} from "./requests.ts";
export { AgentSession, type RequestOptions, type SessionOptions, type StreamOptions, WORKLOAD_STREAM } from "./session.ts";
export { AgentStream, type StreamExit, StreamInput } from "./stream.ts";
export { changesOfGuest, type MountRequest, mountInGuest, processesOfGuest, statsOfGuest } from "./task.ts";
