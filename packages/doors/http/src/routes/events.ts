import { EventSchema } from "@isthmus/contract/schemas";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { callSignal, sendLines, unlessAborted } from "../calls.ts";
import { PARAM_CHARS } from "../config.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures, flag, LabelFilters, labelFilter, limits, media, SinceSchema, several } from "../schemas.ts";
import { parseSince } from "../since.ts";
import { JSON_LINES_TYPE } from "../stream-body.ts";

const kind = Type.String({ minLength: 1, maxLength: 64, pattern: "^[a-z.-]+$" });

const EventQuery = closed({
  follow: flag("go on with what happens; without since and after, begin now; default false"),
  since: SinceSchema,
  until: SinceSchema,
  after: Type.Optional(Type.Integer({ minimum: 0, description: "only those with a larger seq" })),
  machine: Type.Optional(Type.String({ minLength: 1, maxLength: PARAM_CHARS, description: "id, name, or a prefix of an id" })),
  type: several(kind, "what comes before the dot: machine, image, volume"),
  event: several(kind, "a whole type (machine.exited), or what follows the dot (exited)"),
  image: several(Type.String({ minLength: 1, maxLength: limits.imageRefChars }), "of machines with this image, as they name it"),
  label: LabelFilters,
});

export const eventRoutes: Routes = (app, _deps, { closing }) => {
  app.get(
    `${API_PREFIX}/events`,
    {
      config: permit.looks,
      schema: {
        tags: ["daemon"],
        summary: "What happened, oldest first",
        querystring: EventQuery,
        response: { 200: media(JSON_LINES_TYPE, EventSchema, "one Event a line"), ...failures },
      },
    },
    async ({ query, machines }, reply) => {
      const signal = callSignal(reply, closing);
      const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
      const options = {
        follow: query.follow ?? false,
        afterSeq: query.after,
        since: iso(parseSince(query.since)),
        until: iso(parseSince(query.until)),
        machine: query.machine,
        kinds: query.type,
        types: query.event,
        images: query.image,
        labels: query.label?.map(labelFilter),
        signal,
      };
      return sendLines(reply, unlessAborted(machines.events(options), signal));
    },
  );
};
