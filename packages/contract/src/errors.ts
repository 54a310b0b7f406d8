import { type ErrorCode, errorRegistry } from "./error-registry.ts";

/** What crosses a process boundary when something failed. `details` holds JSON values only. */
export interface ErrorBody {
  /** of the error registry */
  readonly code: ErrorCode;
  /** What happened, for people. */
  readonly message: string;
  /** What the user can do about it. */
  readonly remedy: string;
  /** HTTP status */
  readonly status: number;
  /** what the message was made of */
  readonly details: Readonly<Record<string, unknown>>;
}

export type ErrorDetails = Readonly<Record<string, string | number | boolean | undefined | readonly string[]>>;

function fill(template: string, details: ErrorDetails): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = details[name];
    return value === undefined ? whole : String(value);
  });
}

/**
 * The only error that Isthmus throws on purpose. Its code names an entry of the error registry, whose template is filled from `details`.
 * It becomes an HTTP answer or an exit code at the edge only; `cause` keeps what lay beneath.
 */
export class IsthmusError extends Error {
  /** tells it from other errors where `instanceof` cannot */
  override readonly name = "IsthmusError";
  /** of the error registry */
  readonly code: ErrorCode;
  /** what message and remedy were made of */
  readonly details: ErrorDetails;
  /** HTTP status */
  readonly status: number;
  /** What the user can do about it. */
  readonly remedy: string;

  /** Fills the templates of `code` from `details`. */
  constructor(code: ErrorCode, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    const entry = errorRegistry[code];
    super(fill(entry.message, details), options);
    this.code = code;
    this.details = details;
    this.status = entry.status;
    this.remedy = fill(entry.remedy, details);
  }

  /** What goes over the wire. */
  toBody(): ErrorBody {
    return { code: this.code, message: this.message, remedy: this.remedy, status: this.status, details: { ...this.details } };
  }

  /** The error that a server's body describes; an unknown code (a newer server) becomes `INTERNAL` with the server's message. */
  static fromBody(body: { code?: unknown; message?: unknown; details?: unknown }): IsthmusError {
    const message = typeof body.message === "string" ? body.message : "no message";
    if (!isErrorCode(body.code)) return new IsthmusError("INTERNAL", { reason: message });
    const error = new IsthmusError(body.code, isDetails(body.details) ? body.details : {});
    error.message = message;
    return error;
  }

  /** `cause` as an IsthmusError: itself, or wrapped in `INTERNAL` with its text as the reason. */
  static from(cause: unknown): IsthmusError {
    if (cause instanceof IsthmusError) return cause;
    return new IsthmusError("INTERNAL", { reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(errorRegistry, value);
}

function isDetails(value: unknown): value is ErrorDetails {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True when `error` is an IsthmusError with one of `codes` (any code when none is given). */
export function hasCode(error: unknown, ...codes: ErrorCode[]): error is IsthmusError {
  return error instanceof IsthmusError && (codes.length === 0 || codes.includes(error.code));
}
