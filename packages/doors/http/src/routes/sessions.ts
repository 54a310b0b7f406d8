import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError, STREAM_MESSAGE_BYTES, signalNumbers } from "@isthmus/contract";
import { type ExecSpec, ExecSpecSchema } from "@isthmus/contract/schemas";
import type { LogChunk, Machines, WorkloadInput } from "@isthmus/core";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { orAborted, passOn } from "../calls.ts";
import { REVOKED_GRACE_MS, START_TIMEOUT_MS } from "../config.ts";
import type { DoorContext, RouteDeps, Routes } from "../deps.ts";
import { toIsthmusError } from "../failures.ts";
import { API_PREFIX, closed, failures, flag, RefParams } from "../schemas.ts";
import { parseObject, SessionLink } from "../session-link.ts";
import { describeFailure } from "../validation.ts";
import { checkWellFormed } from "../well-formed.ts";

const AttachQuery = closed({
  stdin: flag("send input as well; default true"),
  logs: flag("begin with the output since its last start; default false"),
});

interface Parties {
  readonly machines: Machines;
  readonly link: SessionLink;
  /** aborted when the door closes */
  readonly closing: AbortSignal;
  /** aborted when the door closes, or the client's right to be here is over */
  readonly cut: AbortSignal;
}

async function startOf(link: SessionLink, request: FastifyRequest): Promise<ExecSpec> {
  const late = new AbortController();
  const timeout = sleep(START_TIMEOUT_MS, undefined, { signal: late.signal, ref: false }).then(
    () => Promise.reject(new IsthmusError("TIMEOUT", { what: "sending START", limit: START_TIMEOUT_MS })),
    () => undefined,
  );
  const payload = await Promise.race([link.start, timeout]);
  late.abort();
  const spec = payload === undefined ? {} : parseObject(payload);
  checkWellFormed("body", spec);
  const check = request.getValidationFunction(ExecSpecSchema) ?? request.compileValidationSchema(ExecSpecSchema);
  if (!isExecSpec(spec, check)) throw describeFailure("errors" in check && Array.isArray(check.errors) ? check.errors : [], "body", spec);
  return spec;
}

function isExecSpec(spec: unknown, check: (value: unknown) => unknown): spec is ExecSpec {
  return check(spec) === true;
}

async function runExec({ machines, link, closing, cut }: Parties, ref: string, spec: ExecSpec): Promise<void> {
  const process = await machines.exec(ref, spec);
  let over = false;
  const letGo = () => {
    // Like a terminal that hangs up; a daemon that stops leaves processes alone.
    if (!over && !closing.aborted) process.signal(signalNumbers.HUP).catch(() => undefined);
    process.close();
  };
  link.gone.addEventListener("abort", letGo, { once: true });
  if (link.gone.aborted) return letGo();
  try {
    link.join(process, { pid: process.pid });
    const outputs = Promise.all([link.pump("stdout", process.stdout), link.pump("stderr", process.stderr)]);
    const [exit] = await orAborted(Promise.all([process.exit, outputs]), cut);
    over = true;
    link.finish(exit);
  } finally {
    link.gone.removeEventListener("abort", letGo);
    process.close();
  }
}

/** Stands for the input of a workload that is only watched. */
function watcher(machines: Machines, ref: string): WorkloadInput {
  const nothing = async () => undefined;
  return {
    write: nothing,
    end: nothing,
    resize: nothing,
    close: () => undefined,
    signal: async (signal) => void (await machines.kill(ref, String(signal))),
  };
}

async function sendLogs(link: SessionLink, chunks: AsyncIterable<LogChunk>): Promise<void> {
  for await (const chunk of chunks) if (chunk.stream !== "system") await link.output(chunk.stream, chunk.bytes);
}

async function runAttach({ machines, link, cut }: Parties, ref: string, query: { stdin?: boolean; logs?: boolean }): Promise<void> {
  const call = new AbortController();
  const release = [passOn(link.gone, call), passOn(cut, call)];
  const { signal } = call;
  let input: WorkloadInput | undefined;
  try {
    const { id } = machines.get(ref);
    input = (query.stdin ?? true) ? await machines.attach(id, signal) : watcher(machines, id);
    // Listening begins before the client is told that it has joined, so that nothing in between is missed.
    const chunks = machines.logs(id, { follow: true, signal, ...(query.logs ? { latest: true } : { tailLines: 0 }) });
    link.join(input, {});
    await orAborted(sendLogs(link, chunks), signal);
    const exit = await orAborted(machines.wait(id, "exited", signal), signal);
    link.finish({ ...exit });
  } finally {
    input?.close();
    for (const undo of release) undo();
  }
}

export const sessionRoutes: Routes = (app, deps, context) => {
  const common = { tags: ["machines"], params: RefParams };
  const description = `Binary messages of at most ${STREAM_MESSAGE_BYTES} bytes: a channel byte, then the payload; see the guide to the API.`;
  const response = { 101: Type.Null({ description: "the connection is a WebSocket now" }), ...failures };
  const needsUpgrade = () => {
    throw new IsthmusError("INVALID_REQUEST", { field: "Upgrade", value: "nothing", reason: "this is a WebSocket" });
  };

  app.route({
    method: "GET",
    url: `${API_PREFIX}/machines/:ref/exec`,
    config: { session: true, ...permit.works },
    schema: { ...common, summary: "Run a command in a machine", description, response },
    handler: needsUpgrade,
    wsHandler: (socket, request) =>
      serve(deps, context, request, new SessionLink(socket), async (parties) =>
        runExec(parties, request.params.ref, await startOf(parties.link, request)),
      ),
  });

  app.route({
    method: "GET",
    url: `${API_PREFIX}/machines/:ref/attach`,
    config: { session: true, ...permit.works },
    schema: { ...common, summary: "Join a machine's workload", description, querystring: AttachQuery, response },
    handler: needsUpgrade,
    wsHandler: (socket, request) =>
      serve(deps, context, request, new SessionLink(socket), (parties) => runAttach(parties, request.params.ref, request.query)),
  });
};

async function serve(
  deps: RouteDeps,
  context: DoorContext,
  request: FastifyRequest,
  link: SessionLink,
  run: (parties: Parties) => Promise<void>,
): Promise<void> {
  const { machines, caller } = request;
  const cut = new AbortController();
  const release = [passOn(context.closing, cut), passOn(caller.over, cut)];
  context.sessions += 1;
  try {
    await run({ machines, link, closing: context.closing, cut: cut.signal });
  } catch (cause) {
    link.fail(toIsthmusError(cause, request, deps.log));
    if (caller.over.aborted) link.cut(REVOKED_GRACE_MS);
  } finally {
    for (const undo of release) undo();
    context.sessions -= 1;
  }
}
