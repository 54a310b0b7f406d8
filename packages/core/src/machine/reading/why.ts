import { formatBytes, formatDuration, type QueuePosition, type Why } from "@isthmus/contract";
import { amount } from "../../admission/refusal.ts";
import type { QueuePlace, Shortage } from "../../admission/request.ts";
import { WHY_EVENTS } from "../config.ts";
import type { Context } from "../context.ts";
import type { MachineRecord, StoredEvent } from "../ports.ts";

/** Where a start stands in the queue; undefined when it does not wait. */
export function placeOf(context: Context, id: string): QueuePosition | undefined {
  const place = context.admitting.place(id);
  if (place === undefined) return undefined;
  const { cause, ...figures } = place;
  const shortage = typeof cause === "string" ? undefined : shown(cause);
  return { ...figures, cause: typeof cause === "string" ? cause : "limit", shortage, text: inWords(place) };
}

function shown({ limit, scope, needed, used, max, unit, kind, permanent, expectedMs }: Shortage): QueuePosition["shortage"] {
  return { limit, scope, needed, used, max, unit, kind, permanent, expectedMs };
}

function inWords({ position, ahead, waitedMs, estimatedMs, cause }: QueuePlace): string {
  const expected = estimatedMs === undefined ? "" : `, about ${formatDuration(estimatedMs)} to go`;
  return `place ${position} (${ahead} ahead), has waited ${formatDuration(waitedMs)}${expected}: ${causeInWords(cause)}`;
}

function causeInWords(cause: QueuePlace["cause"]): string {
  if (cause === "start-slots") return "as many starts are in flight as this host does well";
  if (cause === "rate") return "machines are being started as fast as the start rate allows";
  return shortageInWords(cause);
}

function shortageInWords({ limit, scope, needed, used, max, unit }: Shortage): string {
  const name = scope === undefined ? limit : `${limit} (${scope})`;
  return `limit ${name}: ${amount(used, unit)} of ${amount(max, unit)} used, ${amount(needed, unit)} needed`;
}

/** See `Machines.why`. */
export function why(context: Context, record: MachineRecord): Why {
  const { id, name, state } = record.machine;
  const place = placeOf(context, id);
  const events = lastEvents(context, id);
  const { summary, reasons } = told(context, record, place, events);
  return { id, name, state, summary: `${name} ${summary}`, reasons: [...reasons, ...always(context, record)], place };
}

interface Told {
  readonly summary: string;
  readonly reasons: readonly string[];
}

function told(context: Context, record: MachineRecord, place: QueuePosition | undefined, events: readonly StoredEvent[]): Told {
  const { machine, boot } = record;
  switch (machine.state) {
    case "queued":
      return place
        ? { summary: `waits to be started: ${place.text}`, reasons: deadline(context, record) }
        : { summary: "is about to be started", reasons: [] };
    case "refused":
      return { summary: `was refused: ${failureOf(record)}`, reasons: remedyOf(record) };
    case "failed":
      return { summary: `did not start: ${failureOf(record)}`, reasons: remedyOf(record) };
    case "starting":
      return { summary: `has been starting for ${since(context, boot.lease?.grantedMs)}`, reasons: waited(events) };
    case "running":
    case "paused":
      return {
        summary: `${machine.state === "paused" ? "is paused" : "runs"}; ${startInWords(record)}`,
        reasons: [...waited(events), ...steps(record)],
      };
    case "suspended":
      return {
        summary: `is suspended${suspensionReason(events)}`,
        reasons: machine.failure ? [`its last resume failed: ${failureOf(record)}`] : [],
      };
    case "exited":
      return {
        summary: `ended with code ${machine.exit?.code ?? "unknown"}${machine.exit?.reason ? ` (${machine.exit.reason})` : ""}`,
        reasons: [...restartsAt(record), ...refusedSince(record)],
      };
    case "stopping":
      return { summary: "is being stopped", reasons: [] };
    default:
      return { summary: "was made and never started", reasons: [] };
  }
}

function failureOf({ machine }: MachineRecord): string {
  return machine.failure?.message ?? "no reason was kept";
}

function remedyOf(record: MachineRecord): string[] {
  const remedy = record.machine.failure?.remedy ?? "";
  return [...(remedy === "" ? [] : [remedy]), ...restartsAt(record)];
}

function refusedSince({ machine: { failure } }: MachineRecord): string[] {
  return failure === undefined ? [] : [`its last start was refused: ${failure.message}`];
}

function restartsAt({ machine }: MachineRecord): string[] {
  return machine.restartsAt === undefined ? [] : [`its restart policy starts it again at ${machine.restartsAt}`];
}

function deadline({ clock }: Context, { boot, machine }: MachineRecord): string[] {
  const { queued } = boot;
  if (queued === undefined) return [];
  const left = queued.atMs + queued.maxWaitMs - clock.now();
  const waits =
    queued.maxWaitMs >= Number.MAX_SAFE_INTEGER
      ? "it waits for room as long as the queue lets anybody wait"
      : `for room or licences it waits ${left > 0 ? `another ${formatDuration(left)}` : "no longer"}`;
  return [`priority ${queued.priority} among the starts of tenant ${machine.spec.tenant ?? "default"}`, waits];
}

function since({ clock }: Context, ms: number | undefined): string {
  return ms === undefined ? "a moment" : formatDuration(Math.max(0, clock.now() - ms));
}

function waited(events: readonly StoredEvent[]): string[] {
  const admitted = events.findLast(({ type }) => type === "machine.admitted");
  const waiting = events.findLast(({ type, seq }) => type === "machine.waiting" && seq < (admitted?.seq ?? Number.POSITIVE_INFINITY));
  const waitedMs = admitted?.details.waitedMs;
  if (typeof waitedMs !== "number" || waitedMs < 1) return [];
  const cause =
    typeof waiting?.details.cause === "string"
      ? `, then at place ${String(waiting.details.position)} because of ${waiting.details.cause}`
      : "";
  return [`it waited ${formatDuration(waitedMs)} to be let in${cause}`];
}

function startInWords({ machine }: MachineRecord): string {
  const { total, queue = 0 } = machine.timings;
  const how = machine.startedFrom === undefined ? "" : `, from ${machine.startedFrom}`;
  return total === undefined
    ? "its start was taken over from an earlier daemon"
    : `its start took ${formatDuration(total - queue)}${how}, and ${formatDuration(queue)} in the queue before`;
}

/** The longest steps of its start first. */
function steps({ machine }: MachineRecord): string[] {
  const parts = Object.entries(machine.timings).filter(([step]) => step !== "total" && step !== "queue");
  const longest = parts.sort((a, b) => b[1] - a[1]).slice(0, 3);
  return longest.length === 0 ? [] : [`longest steps: ${longest.map(([step, ms]) => `${step} ${formatDuration(ms)}`).join(", ")}`];
}

function suspensionReason(events: readonly StoredEvent[]): string {
  const reason = events.findLast(({ type }) => type === "machine.suspended")?.details.reason;
  if (reason === "idle") return ": nobody used it for as long as its idle time says";
  if (reason === "pressure") return ": the host was under pressure, and it goes on when that is over";
  return " by its user";
}

/** What explains slowness, whatever the state. */
function always(context: Context, { machine }: MachineRecord): string[] {
  const { pressure } = context.admitting.facts();
  const notes = machine.notes.map((note) => `note: ${note}`);
  const memory =
    machine.spec.memoryBytes === undefined ? [] : [`it has ${machine.spec.cpus ?? 1} vCPU and ${formatBytes(machine.spec.memoryBytes)}`];
  if (pressure === undefined) return [...memory, ...notes];
  const stall = (["cpu", "memory", "io"] as const)
    .filter((kind) => pressure[kind].some10 >= 10)
    .map((kind) => `${kind} ${pressure[kind].some10.toFixed(0)} %`);
  return [...memory, ...(stall.length === 0 ? [] : [`the host is busy: somebody waits for ${stall.join(", ")} of the time`]), ...notes];
}

function lastEvents({ store }: Context, machineId: string): readonly StoredEvent[] {
  return store.events({ limit: WHY_EVENTS, machineId, newest: true });
}
