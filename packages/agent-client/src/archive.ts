import type { Readable } from "node:stream";
import { IsthmusError } from "@isthmus/contract";
import type { AgentSession } from "./session.ts";
import type { AgentStream } from "./stream.ts";

const SIGKILL = 9;

async function feed(stream: AgentStream, archive: Readable): Promise<void> {
  for await (const chunk of archive) {
    if (stream.input.ended) return;
    await stream.input.write(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk));
  }
  await stream.input.end();
}

function killStream(session: AgentSession, stream: AgentStream): void {
  void session.request("signal", { stream: stream.id, signal: SIGKILL }).catch(() => {});
  void stream.input.end().catch(() => {});
}

export interface PutOptions {
  readonly signal?: AbortSignal;
  /** The folder gets owner and mode of the archive's root. */
  readonly fill?: boolean;
}

/**
 * A tar archive into folder `path` of the guest. Throws PATH_NOT_FOUND, BAD_ARCHIVE, AGENT_REFUSED, AGENT_UNREACHABLE, CANCELLED; an error of `archive`
 * itself is BAD_ARCHIVE. What was unpacked before a failure stays.
 */
export async function putArchive(
  session: AgentSession,
  path: string,
  archive: Readable,
  { signal, fill = false }: PutOptions = {},
): Promise<void> {
  const { stream } = await session.openStream("put", fill ? { path, fill } : { path }, { path, signal, transfer: true });
  stream.discard();
  const onAbort = () => archive.destroy(new IsthmusError("CANCELLED", { what: `copying to ${path}` }));
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted) onAbort();
  const fed = feed(stream, archive).catch((cause: unknown) => {
    killStream(session, stream);
    throw cause instanceof IsthmusError ? cause : new IsthmusError("BAD_ARCHIVE", { reason: "it could not be read to its end" }, { cause });
  });
  try {
    await Promise.race([stream.exit, fed.then(() => stream.exit)]);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    archive.destroy();
  }
}

/**
 * A tar archive of `path` in the guest, entry names relative to the parent of `path`. Throws PATH_NOT_FOUND, AGENT_REFUSED, AGENT_UNREACHABLE, CANCELLED;
 * what fails later destroys the returned stream with the same codes.
 */
export async function getArchive(session: AgentSession, path: string, signal?: AbortSignal): Promise<Readable> {
  const { stream } = await session.openStream("get", { path }, { path, signal, transfer: true });
  stream.stderr.destroy();
  const archive = stream.stdout;
  const onAbort = () => archive.destroy(new IsthmusError("CANCELLED", { what: `copying from ${path}` }));
  archive.once("close", () => {
    signal?.removeEventListener("abort", onAbort);
    if (!archive.whole) killStream(session, stream);
  });
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted) onAbort();
  return archive;
}
