import {
  ConnectSchema,
  DisconnectSchema,
  MachineSchema,
  NetworkListSchema,
  NetworkSchema,
  NetworkSpecSchema,
  namePattern,
} from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures } from "../schemas.ts";

const NameParams = closed({ name: Type.String({ pattern: namePattern }) });
const tags = ["networks"];
const url = `${API_PREFIX}/networks`;

export const networkRoutes: Routes = (app) => {
  const one = (summary: string) => ({ tags, summary, params: NameParams, response: { 200: NetworkSchema, ...failures } });

  app.get(
    url,
    {
      config: permit.looksAtHost,
      schema: { tags, summary: "List networks and who is on them", response: { 200: NetworkListSchema, ...failures } },
    },
    async ({ machines }) => ({ networks: [...machines.networks.list()] }),
  );

  app.post(
    url,
    {
      config: permit.worksOnHost,
      schema: { tags, summary: "Make a network", body: NetworkSpecSchema, response: { 201: NetworkSchema, ...failures } },
    },
    async ({ body, machines }, reply) => {
      const network = machines.networks.create(body);
      return reply.code(201).header("location", `${url}/${network.name}`).send(network);
    },
  );

  app.post(
    `${url}/prune`,
    {
      config: permit.worksOnHost,
      schema: { tags, summary: "Remove networks that no machine has addresses of", response: { 200: NetworkListSchema, ...failures } },
    },
    async ({ machines }) => ({ networks: [...(await machines.networks.prune())] }),
  );

  app.get(`${url}/:name`, { config: permit.looksAtHost, schema: one("One network") }, async ({ params, machines }) =>
    machines.networks.get(params.name),
  );

  app.delete(
    `${url}/:name`,
    { config: permit.worksOnHost, schema: one("Remove a network that no machine has addresses of") },
    async ({ params, machines }) => machines.networks.remove(params.name),
  );

  const change = (summary: string) => ({
    tags,
    summary,
    description:
      "Of a machine that runs and has a device on a network of the host, at once; of one that has no process and is not suspended, from its next start on.",
    params: NameParams,
    response: { 200: MachineSchema, ...failures },
  });

  app.post(
    `${url}/:name/connect`,
    { config: permit.worksOnHost, schema: { ...change("Put a machine on a network"), body: ConnectSchema } },
    async ({ params, body, machines }) => machines.networks.connect(params.name, body),
  );

  app.post(
    `${url}/:name/disconnect`,
    { config: permit.worksOnHost, schema: { ...change("Take a machine off a network"), body: DisconnectSchema } },
    async ({ params, body, machines }) => machines.networks.disconnect(params.name, body.machine),
  );
};
