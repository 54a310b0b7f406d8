import { IsthmusError } from "@isthmus/contract";
import { JSON_DEPTH, STREAMS_MAX } from "./config.ts";
import { violation } from "./frames.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Deepest nesting of brackets in JSON text, without recursion: what a guest sends must not cost stack. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (quoted) {
      if (char === "\\") at += 1;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === "{" || char === "[") {
      depth += 1;
      deepest = Math.max(deepest, depth);
    } else if (char === "}" || char === "]") depth -= 1;
  }
  return deepest;
}

/** The JSON object in a frame. Throws AGENT_PROTOCOL. */
export function parseControl(payload: Buffer, what: string): JsonObject {
  const text = payload.toString("utf8");
  if (depthOf(text) > JSON_DEPTH) throw violation(`${what} is nested deeper than ${JSON_DEPTH}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new IsthmusError("AGENT_PROTOCOL", { reason: `${what} is not JSON` }, { cause });
  }
  if (!isObject(value)) throw violation(`${what} is not a JSON object`);
  return value;
}

/** A finite number of `object`. Throws AGENT_PROTOCOL when it is none. */
export function numberField(object: JsonObject, name: string): number {
  const value = object[name];
  if (typeof value !== "number" || !Number.isFinite(value)) throw violation(`${name} is not a number`);
  return value;
}

export function textField(object: JsonObject, name: string): string {
  const value = object[name];
  if (typeof value !== "string") throw violation(`${name} is not a text`);
  return value;
}

export function objectField(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  if (!isObject(value)) throw violation(`${name} is not an object`);
  return value;
}

/** What a request was about, for the words of its error. */
export interface RequestContext {
  readonly op: string;
  /** machine */
  readonly name: string;
  readonly path?: string;
}

/** What a transfer that failed wrote to its stderr, "code\nmessage", as the `error` of a reply would be. Another program's words are no code. */
export function transferError(words: string, exit: JsonObject): JsonObject {
  const [, code, message] = /^([a-z_]+)\n(.*)$/su.exec(words) ?? [undefined, "io_error", words.trim()];
  return {
    code,
    message: message || `it ended with ${typeof exit.signal === "number" ? `signal ${exit.signal}` : `code ${String(exit.code)}`}`,
  };
}

/** Remedies, by the agent's code. */
const helps: Readonly<Record<string, string>> = {
  bad_user:
    "Names of users and groups are those of /etc/passwd and /etc/group in the image: isthmus run --rm -u 0 IMAGE cat /etc/passwd lists them. Numbers need no entry there: -u 1000:1000.",
};

/** The `error` of a reply or of a transfer as one of ours. */
export function refusal(error: unknown, context: RequestContext): IsthmusError {
  const code = isObject(error) && typeof error.code === "string" ? error.code : "unknown";
  const message = isObject(error) && typeof error.message === "string" && error.message !== "" ? error.message : code;
  switch (code) {
    case "not_found":
      return new IsthmusError("PATH_NOT_FOUND", { path: context.path ?? "", name: context.name });
    case "bad_archive":
      return new IsthmusError("BAD_ARCHIVE", { reason: message });
    case "too_many_streams":
      return new IsthmusError("TOO_MANY_REQUESTS", { what: "streams of one machine", value: STREAMS_MAX + 1, limit: STREAMS_MAX });
    default:
      return new IsthmusError("AGENT_REFUSED", {
        op: context.op,
        reason: message,
        code,
        help: helps[code] ?? `Correct the request: ${code}.`,
      });
  }
}
