import { type Static, Type } from "typebox";
import { limits } from "./limits.ts";
import { namePattern } from "./names.ts";

const closed = { additionalProperties: false } as const;

/** From the least to the most: each may do what those before it may. */
export const roles = ["viewer", "operator", "admin"] as const;

export const RoleSchema = Type.Union([Type.Literal("viewer"), Type.Literal("operator"), Type.Literal("admin")], {
  description: "viewer looks, operator works with machines, admin gives rights as well",
});

const tokenFields = {
  name: Type.String({ pattern: namePattern, description: "unique" }),
  role: RoleSchema,
  tenant: Type.Optional(
    Type.String({ pattern: namePattern, description: "it sees and touches what is of this tenant only; absent: everything of the host" }),
  ),
};

export const TokenSpecSchema = Type.Object(
  {
    ...tokenFields,
    expiresInMs: Type.Optional(
      Type.Integer({
        minimum: limits.tokenLifeMinMs,
        maximum: limits.ttlMaxMs,
        description: "it is good for so long; for ever when absent",
      }),
    ),
  },
  { ...closed, $id: "TokenSpec" },
);

export const TokenSchema = Type.Object(
  {
    id: Type.String({ description: "16 hex digits, which are part of the token" }),
    ...tokenFields,
    createdAt: Type.String({ format: "date-time" }),
    expiresAt: Type.Optional(Type.String({ format: "date-time" })),
    expired: Type.Boolean(),
  },
  { ...closed, $id: "Token" },
);

export const TokenListSchema = Type.Object({ tokens: Type.Array(TokenSchema) }, closed);

export const NewTokenSchema = Type.Object(
  { token: TokenSchema, value: Type.String({ description: "what clients send; it is shown this once and kept nowhere" }) },
  closed,
);

/** What a token may do. */
export type Role = Static<typeof RoleSchema>;
/** A token, as it is asked for. */
export type TokenSpec = Static<typeof TokenSpecSchema>;
/** A token without its value. */
export type Token = Static<typeof TokenSchema>;
/** A token with its value. */
export type NewToken = Static<typeof NewTokenSchema>;
