import { type ErrorBody, IsthmusError, limits } from "@isthmus/contract";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { HEADER_BYTES, RETRY_AFTER_S } from "./config.ts";
import type { DoorLog } from "./deps.ts";
import { describeFailure, printable } from "./validation.ts";

const JSON_TYPE = "application/json; charset=utf-8";

/** What one of fastify's own refusals is in our words; undefined when it is none. */
function translate(error: FastifyError, request: FastifyRequest): IsthmusError | undefined {
  const options = { cause: error };
  if (error.validation) {
    const where = error.validationContext === "querystring" ? "query" : error.validationContext === "params" ? "params" : "body";
    return describeFailure(error.validation, where, request[where]);
  }
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new IsthmusError("TOO_LARGE", { field: "body", value: sizeOf(request), limit: limits.jsonBodyBytes }, options);
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
    case "FST_ERR_CTP_INVALID_TYPE": {
      const value = printable(request.headers["content-type"] ?? "none");
      return new IsthmusError("UNSUPPORTED_MEDIA_TYPE", { value, limit: "application/json" }, options);
    }
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
    case "FST_ERR_CTP_INVALID_JSON_BODY":
      return new IsthmusError("INVALID_JSON", { reason: printable(error.message) }, options);
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new IsthmusError(
        "INVALID_REQUEST",
        { field: "Content-Length", value: sizeOf(request), reason: "the body is shorter or longer" },
        options,
      );
    case "FST_ERR_BAD_URL":
    case "FST_ERR_ASYNC_CONSTRAINT":
    case "FST_ERR_MAX_PARAM_LENGTH":
      return new IsthmusError(
        "INVALID_REQUEST",
        { field: "path", value: printable(request.raw.url ?? ""), reason: "it is not a path of this API" },
        options,
      );
    default:
      if (error instanceof SyntaxError && error.statusCode === 400)
        return new IsthmusError("INVALID_JSON", { reason: printable(error.message) }, options);
      return error.statusCode === 400
        ? new IsthmusError(
            "INVALID_REQUEST",
            { field: "request", value: printable(request.raw.url ?? ""), reason: printable(error.message) },
            options,
          )
        : undefined;
  }
}

function sizeOf(request: FastifyRequest): string {
  return request.headers["content-length"] ?? "unknown";
}

/** Any failure as the error that a user sees; what is a fault of ours is logged with its whole chain. */
export function toIsthmusError(cause: unknown, request: FastifyRequest, log: DoorLog): IsthmusError {
  if (cause instanceof IsthmusError && cause.code !== "INTERNAL") return cause;
  const known = isFastifyError(cause) ? translate(cause, request) : undefined;
  if (known) return known;
  log.error({ err: cause, method: request.method, url: request.routeOptions?.url ?? request.url }, "a request failed by a fault of ours");
  return IsthmusError.from(cause);
}

function isFastifyError(cause: unknown): cause is FastifyError {
  return cause instanceof Error && ("code" in cause || "statusCode" in cause || "validation" in cause);
}

/** The body of an error answer. */
export function errorBody(error: IsthmusError): { readonly error: ErrorBody } {
  return { error: error.toBody() };
}

/** Seconds after which it is worth trying again: what the error knows, else a moment. */
function retryAfterS({ details: { retryAfterS: seconds, retryAfterMs: ms } }: IsthmusError): number {
  const known = typeof ms === "number" ? ms / 1000 : seconds;
  return typeof known === "number" && Number.isFinite(known) ? Math.max(1, Math.ceil(known)) : RETRY_AFTER_S;
}

/** Answers with an error. */
export async function sendError(reply: FastifyReply, error: IsthmusError): Promise<void> {
  if (error.status === 429 || error.status === 503) void reply.header("retry-after", String(retryAfterS(error)));
  if (error.status === 401) void reply.header("www-authenticate", "Bearer");
  await reply.code(error.status).header("content-type", JSON_TYPE).send(errorBody(error));
}

/** The whole answer to bytes that are no HTTP request; the connection is closed after it. */
export function answerToGarbage(code: string | undefined): string {
  const error =
    code === "HPE_HEADER_OVERFLOW"
      ? new IsthmusError("TOO_LARGE", { field: "headers", value: "more", limit: HEADER_BYTES })
      : code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? new IsthmusError("TIMEOUT", { what: "sending the request", limit: "the allowed" })
        : new IsthmusError("INVALID_REQUEST", { field: "request", value: printable(code ?? "garbage"), reason: "it is not HTTP/1.1" });
  const body = JSON.stringify(errorBody(error));
  const status = code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : error.status;
  return `HTTP/1.1 ${status} Refused\r\nContent-Type: ${JSON_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}
