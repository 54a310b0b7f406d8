import { limits } from "@isthmus/contract";
import { CloneSpecSchema, ExitSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { callSignal, orAborted } from "../calls.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, clonesAnswer, closed, failures, machineAnswer, RefParams } from "../schemas.ts";

const signalName = (description: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 16, description }));

const StopQuery = closed({
  timeoutMs: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: limits.stopTimeoutMaxMs,
      description: "between the stop signal and SIGKILL; the spec's when absent",
    }),
  ),
  signal: signalName("name or number of the stop signal; the spec's when absent"),
});
const KillQuery = closed({ signal: signalName("name or number; default SIGKILL, which ends the machine") });
const WaitQuery = closed({
  condition: Type.Optional(Type.Union([Type.Literal("running"), Type.Literal("exited"), Type.Literal("removed")])),
});
const RenameSchema = closed({ name: Type.String({ maxLength: 1024, description: "1 to 63 letters, digits, _, . or -; unique" }) });
const WaitSchema = closed({ exit: Type.Optional(ExitSchema) });

export const lifecycleRoutes: Routes = (app, _deps, { closing }) => {
  const at = (action: string) => `${API_PREFIX}/machines/:ref/${action}`;
  const schema = (summary: string) => ({ tags: ["machines"], summary, params: RefParams, response: machineAnswer });

  app.post(
    at("start"),
    { config: permit.works, schema: schema("Start a machine; answers when the guest does") },
    async ({ params, machines }, reply) => machines.start(params.ref, { signal: callSignal(reply, closing) }),
  );

  app.post(
    at("stop"),
    { config: permit.works, schema: { ...schema("Stop a machine in order; answers when it has ended"), querystring: StopQuery } },
    async ({ params, query, machines }, reply) =>
      machines.stop(params.ref, { timeoutMs: query.timeoutMs, stopSignal: query.signal, signal: callSignal(reply, closing) }),
  );

  app.post(
    at("kill"),
    { config: permit.works, schema: { ...schema("Signal the workload"), querystring: KillQuery } },
    async ({ params, query, machines }) => machines.kill(params.ref, query.signal),
  );

  app.post(at("pause"), { config: permit.works, schema: schema("Stop the virtual CPUs") }, async ({ params, machines }) =>
    machines.pause(params.ref),
  );

  app.post(at("unpause"), { config: permit.works, schema: schema("Let the virtual CPUs go on") }, async ({ params, machines }) =>
    machines.unpause(params.ref),
  );

  app.post(
    at("rename"),
    { config: permit.works, schema: { ...schema("Give a machine another name, in any state"), body: RenameSchema } },
    async ({ params, body, machines }) => machines.rename(params.ref, body.name),
  );

  app.post(
    at("suspend"),
    { config: permit.works, schema: schema("State to disk, process gone; answers when all of it is durable") },
    async ({ params, machines }) => machines.suspend(params.ref),
  );

  app.post(
    at("resume"),
    { config: permit.works, schema: schema("Let a suspended machine go on where it was; answers when the guest does") },
    async ({ params, machines }, reply) => machines.resume(params.ref, { signal: callSignal(reply, closing) }),
  );

  app.post(
    at("clone"),
    {
      config: permit.works,
      schema: {
        ...schema("Clone a running machine, processes, memory and disk included; it goes on"),
        description: "All clones run when it answers, or there are none.",
        body: CloneSpecSchema,
        response: clonesAnswer,
      },
    },
    async ({ params, body, machines }, reply) => {
      const clones = await machines.clone({ machine: params.ref }, body, { signal: callSignal(reply, closing) });
      return reply.code(201).send({ machines: [...clones] });
    },
  );

  app.get(
    at("wait"),
    {
      config: permit.looks,
      schema: {
        ...schema("How a machine ended; held open until it has"),
        querystring: WaitQuery,
        response: { 200: WaitSchema, ...failures },
      },
    },
    async ({ params, query, machines }, reply) => {
      const signal = callSignal(reply, closing);
      const exit = await orAborted(machines.wait(params.ref, query.condition ?? "exited", signal), signal);
      return exit === undefined ? {} : { exit };
    },
  );
};
