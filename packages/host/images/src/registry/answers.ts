import { IsthmusError } from "@isthmus/contract";
import { isObject, stringField } from "../json.ts";
import { type RegistryLimits, registryLimits } from "./config.ts";
import type { HttpAnswer } from "./http.ts";

/** A small body as a whole. Throws REGISTRY_FAILED over the limit. */
export async function readAnswer({ body }: HttpAnswer, limitBytes: number, registry: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const piece of body) {
    const chunk: Buffer = piece;
    size += chunk.length;
    if (size > limitBytes) {
      body.destroy();
      throw new IsthmusError("REGISTRY_FAILED", { registry, reason: `an answer is larger than ${limitBytes} bytes` });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

export interface Asked {
  readonly registry: string;
  /** what was asked for, in the user's words */
  readonly ref: string;
}

/** The error that an answer other than success stands for; its body is read. */
export async function refusal(answer: HttpAnswer, { registry, ref }: Asked, limits: RegistryLimits): Promise<IsthmusError> {
  const { status, headers } = answer;
  const told = await readAnswer(answer, limits.answerBytes, registry).then(messageOf, () => "");
  const reason = told === "" ? `status ${status}` : `status ${status}, ${told}`;
  if (status === 401 || status === 403) return new IsthmusError("REGISTRY_DENIED", { registry, ref, reason });
  if (status === 404) return new IsthmusError("REGISTRY_NO_IMAGE", { registry, ref });
  const retryAfterMs = retryAfter(headers["retry-after"]);
  if (status === 429) return new IsthmusError("REGISTRY_BUSY", { registry, reason, status, retryAfterMs });
  return new IsthmusError("REGISTRY_FAILED", { registry, reason, status, retryAfterMs });
}

/** `{"errors":[{"code","message"}]}` (distribution-spec, "Error Codes"); printable characters only. */
function messageOf(bytes: Buffer): string {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    const errors = isObject(value) && Array.isArray(value.errors) ? value.errors : [];
    const texts = errors.filter(isObject).map((one) => stringField(one, "message") ?? stringField(one, "code") ?? "");
    return texts
      .join("; ")
      .replace(/[^\x20-\x7e]/g, "?")
      .slice(0, registryLimits.errorChars);
  } catch {
    return "";
  }
}

/** ms from now; undefined when it says nothing (RFC 9110, section 10.2.3). */
export function retryAfter(value: string | undefined, now = Date.now()): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
