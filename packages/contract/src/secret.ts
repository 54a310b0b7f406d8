import { type Static, Type } from "typebox";
import { limits } from "./limits.ts";
import { namePattern } from "./names.ts";

const closed = { additionalProperties: false } as const;
const tenant = Type.String({ pattern: namePattern, description: "whose machines may use it" });

/** No bounds on `value`: what is refused here is repeated in the error. */
export const SecretSpecSchema = Type.Object(
  {
    name: Type.String({ pattern: namePattern, description: "unique within its tenant" }),
    value: Type.String({ description: `base64, of 1 to ${limits.secretBytes} bytes` }),
    tenant: Type.Optional(tenant),
  },
  { ...closed, $id: "SecretSpec" },
);

export const SecretSchema = Type.Object(
  {
    name: Type.String(),
    tenant,
    sizeBytes: Type.Integer(),
    createdAt: Type.String({ format: "date-time" }),
  },
  { ...closed, $id: "Secret" },
);

export const SecretListSchema = Type.Object({ secrets: Type.Array(SecretSchema) }, closed);

/** A secret, as it is given. */
export type SecretSpec = Static<typeof SecretSpecSchema>;
/** A secret without its value. */
export type Secret = Static<typeof SecretSchema>;
