import { API_PREFIX, defaults, limits } from "@isthmus/contract";
import { ErrorBodySchema, MachineSchema } from "@isthmus/contract/schemas";
import { type TObject, type TProperties, type TSchema, Type } from "typebox";
import { FILTERS, PARAM_CHARS } from "./config.ts";

export { API_PREFIX, defaults, limits };

/** Labels that must all hold. */
export const LabelFilters = Type.Optional(
  Type.Array(Type.String({ minLength: 1, maxLength: limits.labelKeyChars + 1 + limits.labelValueChars }), {
    maxItems: limits.labels,
    description: "KEY or KEY=VALUE, all of which must hold",
  }),
);

export function labelFilter(text: string): { key: string; value?: string } {
  const cut = text.indexOf("=");
  return cut === -1 ? { key: text } : { key: text.slice(0, cut), value: text.slice(cut + 1) };
}

/** A filter that may be given more than once; any of them does. */
export function several<T extends TSchema>(schema: T, description: string) {
  return Type.Optional(Type.Array(schema, { maxItems: FILTERS, description: `${description}; of several any does` }));
}

/** What every route may answer with. */
export const failures = { "4xx": ErrorBodySchema, "5xx": ErrorBodySchema };

/** An object without other fields. */
export function closed<T extends TProperties>(properties: T): TObject<T> {
  return Type.Object(properties, { additionalProperties: false });
}

export const RefParams = closed({
  ref: Type.String({ minLength: 1, maxLength: PARAM_CHARS, description: "id, name, or a prefix of an id" }),
});

/** An answer that is not JSON, for the reference. */
export function media(
  type: string,
  schema: TSchema,
  description: string,
): { description: string; content: Record<string, { schema: TSchema }> } {
  return { description, content: { [type]: { schema } } };
}

export const flag = (description: string) => Type.Optional(Type.Boolean({ description }));

export const SinceSchema = Type.Optional(
  Type.String({ maxLength: 64, description: "RFC 3339 time, Unix seconds, or a duration back from now such as 10m" }),
);

export const machineAnswer = { 200: MachineSchema, ...failures };

export const clonesAnswer = { 201: closed({ machines: Type.Array(MachineSchema) }), ...failures };

/** An answer without a body. */
export const nothing = (description: string) => Type.Unsafe<undefined>({ type: "null", description });
