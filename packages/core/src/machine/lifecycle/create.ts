import { createHash, randomBytes } from "node:crypto";
import { type Image, IsthmusError, limits, type Machine, type MachineSpec } from "@isthmus/contract";
import { checkPressure } from "../../contention/refusal.ts";
import { imageFor } from "../../image/image-for.ts";
import { placed } from "../../network/attach.ts";
import { checkVolumes } from "../../volume/claims.ts";
import { resolveMounts } from "../../volume/mounts.ts";
import { checkProvided, provideVolumes } from "../../volume/provide.ts";
import type { CreateOptions } from "../actions.ts";
import { MACHINES_MAX } from "../config.ts";
import { type Context, checkOpen, handleOf } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { MachineRecord, NewEvent } from "../ports.ts";
import { checkBootable } from "../spec/bootable.ts";
import { checkName, makeName } from "../spec/names.ts";
import { resolveSpec } from "../spec/resolve-spec.ts";
import { wanted } from "./start.ts";

/** bytes of a machine id; it is written as twice as many hex digits */
const ID_BYTES = 8;

export interface Created {
  readonly record: MachineRecord;
  readonly handle: Handle;
  /** an earlier request with the same idempotency key made it */
  readonly repeated: boolean;
}

/** Writes a machine down, `queued` when it shall start at once, and then begins that start. Everything that can be refused is refused before. */
export async function createMachine(context: Context, spec: MachineSpec, options: CreateOptions): Promise<Created> {
  checkOpen(context);
  const idempotency = idempotencyOf(spec, options);
  const earlier = repeated(context, idempotency);
  if (earlier) return earlier;
  if (spec.name !== undefined) requireFreeName(context, spec.name);
  const image = await imageFor(context.images, spec.image, options);
  await checkBootable(context.engines, spec);
  const id = freeId(context);
  const mounts = resolveMounts(spec, image, spec.tmpfs ?? []);
  const provided = await provideVolumes(context, id, mounts.length === 0 ? spec : { ...spec, mounts: [...mounts] }, options);
  try {
    const created = await createFrom(context, { id, image, spec: provided.spec, idempotency }, options);
    if (created.repeated) await provided.undo();
    return created;
  } catch (error) {
    await provided.undo();
    throw error;
  }
}

interface Wanted {
  readonly id: string;
  readonly image: Image & { readonly rootfsPath: string };
  /** with the volumes that it mounts, which are there */
  readonly spec: MachineSpec;
  readonly idempotency: Idempotency | undefined;
}

async function createFrom(context: Context, { id, image, spec, idempotency }: Wanted, options: CreateOptions): Promise<Created> {
  await context.turns.next();
  // Nothing was made yet, and nobody is there to hear of it.
  if (options.signal?.aborted === true)
    throw new IsthmusError("CANCELLED", { what: "making the machine" }, { cause: options.signal.reason });
  // Others may have come in while the image was looked up; from here to the insert nothing waits.
  const meanwhile = repeated(context, idempotency);
  if (meanwhile) return meanwhile;
  checkOpen(context);
  const name = spec.name ?? makeName((candidate) => context.store.nameHolder(candidate) !== undefined);
  if (spec.name !== undefined) requireFreeName(context, spec.name);
  const isolations = context.engines.map((engine) => engine.isolation);
  const resolved = resolveSpec(spec, image, { id, name, isolations, hostCpus: context.capacity.cpus() });
  context.secrets.check(resolved.spec);
  checkProvided(context, resolved.spec, options);
  const start = options.start === true;
  const engine = context.engines.find((one) => one.isolation === resolved.isolation)?.name ?? "";
  const machine: Machine = {
    id,
    name,
    state: start ? "queued" : "requested",
    spec: placed(context, resolved.spec),
    imageDigest: image.digest,
    argv: [...resolved.workload.argv],
    isolation: resolved.isolation,
    engine,
    ports: resolved.spec.ports ?? [],
    createdAt: new Date(context.clock.now()).toISOString(),
    restarts: 0,
    notes: [...resolved.notes],
    timings: {},
  };
  const boot = {
    bootOffset: 0,
    attempts: 0,
    workload: resolved.workload,
    rootfsPath: image.rootfsPath,
    stopSignal: resolved.stopSignal,
    notes: resolved.notes,
    ...(start ? { ...wanted, ...context.admitting.queued(resolved.spec, "user") } : { desired: "stopped" as const }),
  };
  admitNew(context, { machine, boot });
  return insertMachine(context, { machine, boot }, { image: spec.image }, idempotency);
}

/** Writes a machine down and begins its start when it is `queued`. `details` are those of its event. Throws NAME_TAKEN. */
export function insertMachine(
  context: Context,
  record: MachineRecord,
  details: Readonly<Record<string, unknown>>,
  idempotency?: Idempotency,
): Created {
  const { id, name, state } = record.machine;
  const about = { machineId: id, machineName: name };
  const events: NewEvent[] = [{ type: "machine.created", ...about, details }];
  if (state === "queued") events.push({ type: "machine.queued", ...about });
  context.crashpoint("create.before-insert");
  context.store.insertMachine(record, events, idempotency);
  context.leases.note(record);
  context.crashpoint("create.after-insert");
  const handle = handleOf(context, id);
  if (state === "queued") context.launch(handle, "user");
  return { record, handle, repeated: false };
}

/** Throws NO_CAPACITY and, for one that shall start, HOST_PRESSURE and what `Admitting.check` throws. */
export function admitNew(context: Context, record: MachineRecord): void {
  const count = Object.values(context.store.counts()).reduce((sum, one) => sum + one, 0);
  if (count >= MACHINES_MAX) throw new IsthmusError("NO_CAPACITY", { what: "one more machine", needed: 1, free: 0 });
  if (record.machine.state !== "queued") return;
  checkPressure(context);
  context.admitting.check(record);
  checkVolumes(context, record);
}

export function requireFreeName(context: Context, name: string): void {
  checkName(name);
  const holder = context.store.nameHolder(name);
  if (holder !== undefined) throw new IsthmusError("NAME_TAKEN", { name, holder });
}

export function freeId(context: Context): string {
  for (;;) {
    const id = randomBytes(ID_BYTES).toString("hex");
    // An id of digits only, or with an exponent, would be read as a number by some tools.
    if (/[a-df]/.test(id) && !context.handles.has(id)) return id;
  }
}

interface Idempotency {
  readonly key: string;
  readonly requestHash: string;
}

function idempotencyOf(spec: MachineSpec, options: CreateOptions): Idempotency | undefined {
  const key = options.idempotencyKey;
  if (key === undefined) return undefined;
  if (key === "" || key.length > limits.idempotencyKeyChars) {
    const reason = `it must have 1 to ${limits.idempotencyKeyChars} characters`;
    throw new IsthmusError("INVALID_REQUEST", { field: "idempotency key", reason, value: `${key.length} characters` });
  }
  const request = canonical({ spec, start: options.start === true });
  return { key, requestHash: createHash("sha256").update(request).digest("hex") };
}

/** JSON with sorted keys: the same request gives the same text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function repeated(context: Context, idempotency: Idempotency | undefined): Created | undefined {
  const record = idempotency && context.store.idempotent(idempotency.key, idempotency.requestHash);
  return record && { record, handle: handleOf(context, record.machine.id), repeated: true };
}
