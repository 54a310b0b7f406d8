import {
  healthStatuses,
  IsthmusError,
  isSettled,
  type MachineSpec,
  type MachineState,
  machineStates,
  type RunLine,
} from "@isthmus/contract";
import {
  MachinePageSchema,
  MachineSchema,
  MachineSpecSchema,
  MachineUpdateSchema,
  namePattern,
  PullPolicySchema,
  RunLineSchema,
  WhySchema,
} from "@isthmus/contract/schemas";
import type { CreateOptions, LogChunk, Machines } from "@isthmus/core";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { begun, callSignal, passOn, sendLines, unlessAborted } from "../calls.ts";
import { PARAM_CHARS } from "../config.ts";
import type { Routes } from "../deps.ts";
import {
  API_PREFIX,
  closed,
  defaults,
  failures,
  flag,
  LabelFilters,
  labelFilter,
  limits,
  machineAnswer,
  nothing,
  RefParams,
  several,
} from "../schemas.ts";
import { JSON_LINES_TYPE } from "../stream-body.ts";
import { echo } from "../validation.ts";
import { runLines } from "./output.ts";

const createdAnswer = {
  description: "the machine; with follow JSON lines, of which it is the first",
  content: { "application/json": { schema: MachineSchema }, [JSON_LINES_TYPE]: { schema: RunLineSchema } },
};

const CreateQuery = closed({
  start: flag("start it and wait until the guest answered; default true"),
  follow: flag("JSON lines: the machine, then what it writes until it has ended for good; default false"),
  pull: Type.Optional({ ...PullPolicySchema, description: "when to ask the image's registry for it, without an account; default missing" }),
});

const ListQuery = closed({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.pageSize, description: `default ${defaults.pageSize}` })),
  cursor: Type.Optional(Type.String({ maxLength: 256, description: "next of the page before" })),
  all: flag("those that have ended for good or never started as well; default false"),
  state: Type.Optional(
    Type.Array(Type.Union(machineStates.map((state) => Type.Literal(state))), {
      maxItems: machineStates.length,
      description: "implies all",
    }),
  ),
  label: LabelFilters,
  name: several(Type.String({ pattern: namePattern }), "part of the name"),
  id: several(Type.String({ pattern: "^[0-9a-f]{1,16}$" }), "id, or how it begins"),
  exited: several(Type.Integer({ minimum: 0, maximum: 255 }), "exited with this code; implies all"),
  health: several(Type.Union([...healthStatuses, "none" as const].map((one) => Type.Literal(one))), "as its checks say"),
  ancestor: several(Type.String({ minLength: 1, maxLength: limits.imageRefChars }), "made of this image: name or digest"),
  volume: several(Type.String({ minLength: 1, maxLength: limits.pathChars }), "mounts this volume, or something at this path"),
  before: Type.Optional(Type.String({ minLength: 1, maxLength: PARAM_CHARS, description: "made before this machine" })),
  since: Type.Optional(Type.String({ minLength: 1, maxLength: PARAM_CHARS, description: "made after this machine" })),
});

const RemoveQuery = closed({
  force: flag("kill it first when it runs; default false"),
  volumes: flag("the anonymous volumes that were made for it too; default false"),
});

/** A suspended machine has no process, yet it has not ended: it goes on at any time. */
const liveStates = machineStates.filter((state) => !isSettled(state) || state === "suspended");

function idempotencyKey(request: FastifyRequest): string | undefined {
  const key = request.headers["idempotency-key"];
  if (key === undefined) return undefined;
  if (typeof key === "string" && /^[\x21-\x7e]+$/.test(key) && key.length <= limits.idempotencyKeyChars) return key;
  const reason = `write 1 to ${limits.idempotencyKeyChars} visible ASCII characters`;
  throw new IsthmusError("INVALID_REQUEST", { field: "Idempotency-Key", value: echo(key), reason });
}

/** Makes the machine, and reads its output from before its start on. Throws what `create` throws. */
async function followed(
  { machines, body }: { readonly machines: Machines; readonly body: MachineSpec },
  options: CreateOptions & { readonly signal: AbortSignal },
  located: (id: string) => unknown,
): Promise<AsyncIterable<RunLine>> {
  const { signal } = options;
  const failed = new AbortController();
  const undo = passOn(signal, failed);
  let output: ReturnType<typeof begun<LogChunk>> | undefined;
  const onCreated = (id: string) => {
    output = begun(unlessAborted(machines.logs(id, { follow: true, signal: failed.signal }), signal));
  };
  try {
    const machine = await machines.create(body, { ...options, onCreated });
    located(machine.id);
    return runLines(machine, output ?? begun(machines.logs(machine.id, { follow: true, signal })));
  } catch (error) {
    undo();
    failed.abort();
    await output?.return();
    throw error;
  }
}

interface StateQuery {
  readonly all?: boolean;
  readonly state?: readonly MachineState[];
  readonly exited?: readonly number[];
}

function statesOf(query: StateQuery): readonly MachineState[] | undefined {
  if (query.state && query.state.length > 0) return query.state;
  return query.all || query.exited ? undefined : liveStates;
}

export const machineRoutes: Routes = (app, _deps, { closing }) => {
  app.post(
    `${API_PREFIX}/machines`,
    {
      config: permit.works,
      schema: {
        tags: ["machines"],
        summary: "Make a machine",
        description: "With an Idempotency-Key header a second call answers with the machine of the first.",
        querystring: CreateQuery,
        body: MachineSpecSchema,
        response: { 201: createdAnswer, ...failures },
      },
    },
    async (request, reply) => {
      const { start = true, pull = "missing", follow = false } = request.query;
      if (follow && !start) throw new IsthmusError("INVALID_REQUEST", { field: "follow", value: true, reason: "it needs start" });
      // A Unix socket's peer has no address.
      const remote = request.socket.remoteAddress !== undefined;
      const options = { idempotencyKey: idempotencyKey(request), start, pull, remote, signal: callSignal(reply, closing) };
      const located = (id: string) => reply.code(201).header("location", `${API_PREFIX}/machines/${id}`);
      if (follow) return await sendLines(reply, await followed(request, options, located));
      const machine = await request.machines.create(request.body, options);
      return located(machine.id).send(machine);
    },
  );

  app.get(
    `${API_PREFIX}/machines`,
    {
      config: permit.looks,
      schema: {
        tags: ["machines"],
        summary: "List machines, newest first",
        querystring: ListQuery,
        response: { 200: MachinePageSchema, ...failures },
      },
    },
    async ({ query, machines }) =>
      machines.list({
        limit: query.limit ?? defaults.pageSize,
        cursor: query.cursor,
        states: statesOf(query),
        orRestarting: !(query.state && query.state.length > 0),
        labels: query.label?.map(labelFilter),
        names: query.name,
        ids: query.id,
        exitCodes: query.exited,
        ancestors: query.ancestor,
        health: query.health,
        volumes: query.volume,
        before: query.before,
        since: query.since,
      }),
  );

  app.get(
    `${API_PREFIX}/machines/:ref`,
    { config: permit.looks, schema: { tags: ["machines"], summary: "One machine", params: RefParams, response: machineAnswer } },
    async ({ params, machines }) => machines.get(params.ref),
  );

  app.patch(
    `${API_PREFIX}/machines/:ref`,
    {
      config: permit.works,
      schema: {
        tags: ["machines"],
        summary: "Change a machine's limits, policies and classes while it runs",
        description: "CPUs and memory of the guest only while the machine has no process. All of it is changed, or nothing.",
        params: RefParams,
        body: MachineUpdateSchema,
        response: machineAnswer,
      },
    },
    async ({ params, body, machines }) => machines.update(params.ref, body),
  );

  app.get(
    `${API_PREFIX}/machines/:ref/why`,
    {
      config: permit.looks,
      schema: {
        tags: ["machines"],
        summary: "Why a machine is queued, refused, slow, suspended or ended, in words with numbers",
        params: RefParams,
        response: { 200: WhySchema, ...failures },
      },
    },
    async ({ params, machines }) => machines.why(params.ref),
  );

  app.delete(
    `${API_PREFIX}/machines/:ref`,
    {
      config: permit.works,
      schema: {
        tags: ["machines"],
        summary: "Remove a machine",
        params: RefParams,
        querystring: RemoveQuery,
        response: { 204: nothing("it is gone"), ...failures },
      },
    },
    async ({ params, query, machines }, reply) => {
      await machines.remove(params.ref, { force: query.force ?? false, volumes: query.volumes ?? false });
      return reply.code(204).send(undefined);
    },
  );
};
