import type { AgentSession, AgentStream, ProcessRequest } from "@isthmus/agent-client";
import { type ExecSpec, IsthmusError } from "@isthmus/contract";
import type { GuestStream, Workload, WorkloadInput } from "@isthmus/core";
import type { AgentLink } from "./agent-link.ts";

/** `K=V` lists joined; a later key replaces an earlier one in its place. */
export function mergeEnv(base: readonly string[], over: Readonly<Record<string, string>>): readonly string[] {
  const merged = new Map(base.map((entry) => [entry.split("=", 1)[0] ?? "", entry]));
  for (const [key, value] of Object.entries(over)) merged.set(key, `${key}=${value}`);
  return [...merged.values()];
}

/** The process that `spec` asks for in a machine whose workload is `defaults`. */
export function execRequest(spec: ExecSpec, defaults: Workload): ProcessRequest {
  return {
    argv: spec.command,
    env: mergeEnv(defaults.env, spec.env ?? {}),
    cwd: spec.workdir ?? defaults.cwd,
    user: spec.user ?? defaults.user,
    tty: spec.tty ?? false,
    stdin: spec.stdin ?? false,
    cols: spec.columns,
    rows: spec.rows,
  };
}

/** Starts a process beside the workload. Throws AGENT_REFUSED, AGENT_UNREACHABLE, TOO_LARGE, TOO_MANY_REQUESTS. */
export async function execInGuest(session: AgentSession, request: ProcessRequest): Promise<GuestStream> {
  const { stream, reply } = await session.openStream("exec", request);
  return guestStream(session, stream, typeof reply.pid === "number" ? reply.pid : 0);
}

function guestStream(session: AgentSession, stream: AgentStream, pid: number): GuestStream {
  return {
    pid,
    stdout: stream.stdout,
    stderr: stream.stderr,
    exit: stream.exit,
    write: (bytes) => stream.input.write(bytes),
    end: () => stream.input.end(),
    resize: async (cols, rows) => {
      await session.request("resize", { stream: stream.id, cols, rows });
    },
    signal: async (signal) => {
      await session.request("signal", { stream: stream.id, signal });
    },
    // As when the session ends: the process goes on without a listener, and does not wait for input that will not come.
    close: () => {
      stream.discard();
      stream.input.end().catch(() => {});
    },
  };
}

/** The workload's stdin; a lost session is connected anew between two writes. Throws NOT_INTERACTIVE when it was started without one. */
export function workloadInput(link: AgentLink, name: string, workload: Workload): WorkloadInput {
  if (!workload.stdin) throw new IsthmusError("NOT_INTERACTIVE", { name });
  return {
    write: async (bytes) => (await link.session()).workloadInput.write(bytes),
    end: async () => (await link.session()).workloadInput.end(),
    resize: async (columns, rows) => resizeWorkload(await link.session(), columns, rows),
    signal: async (signal) => signalWorkload(await link.session(), signal),
    close: () => {},
  };
}

async function resizeWorkload(session: AgentSession, cols: number, rows: number): Promise<void> {
  await session.request("resize", { stream: session.workloadInput.id, cols, rows });
}

export async function signalWorkload(session: AgentSession, signal: number): Promise<void> {
  await session.request("signal", { stream: session.workloadInput.id, signal });
}
