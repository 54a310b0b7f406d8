import { NewTokenSchema, TokenListSchema, TokenSchema, TokenSpecSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { PARAM_CHARS } from "../config.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures } from "../schemas.ts";

const TokenParams = closed({ ref: Type.String({ minLength: 1, maxLength: PARAM_CHARS, description: "name or id of a token" }) });

export const tokenRoutes: Routes = (app, { tokens }) => {
  const tags = ["tokens"];
  const url = `${API_PREFIX}/tokens`;

  app.get(
    url,
    {
      config: permit.governs,
      schema: { tags, summary: "List tokens, without their values", response: { 200: TokenListSchema, ...failures } },
    },
    async ({ caller }) => ({ tokens: [...tokens.list(caller)] }),
  );

  app.post(
    url,
    {
      config: permit.governs,
      schema: {
        tags,
        summary: "Make a token",
        description: "The answer holds its value, which cannot be had again.",
        body: TokenSpecSchema,
        response: { 201: NewTokenSchema, ...failures },
      },
    },
    async ({ body, caller }, reply) => {
      const made = tokens.create(body, caller);
      return reply.code(201).header("location", `${url}/${made.token.id}`).header("cache-control", "no-store").send(made);
    },
  );

  app.delete(
    `${url}/:ref`,
    {
      config: permit.governs,
      schema: {
        tags,
        summary: "Revoke a token at once, open streams included",
        params: TokenParams,
        response: { 200: TokenSchema, ...failures },
      },
    },
    async ({ params, caller }) => tokens.remove(params.ref, caller),
  );
};
