import { IsthmusError, type MachineExit, type MachineSpec } from "@isthmus/contract";
import type { Licences } from "../licence/licences.ts";
import { nicOf } from "../network/attach.ts";
import type { Networks } from "../network/networks.ts";
import { SECRETS_FOLDER, type Secrets } from "../secret/secrets.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";
import type { Pools } from "../template/pools.ts";
import { shapeOfSpec } from "../template/shape.ts";
import type { Looks } from "../volume/looks.ts";
import { bindsOf, volumesOf } from "../volume/mounts.ts";
import type { PlannedShare, PlannedVolume } from "../volume/ports.ts";
import type { Volumes } from "../volume/volumes.ts";
import type { Admitting } from "./admitting/admitting.ts";
import type { Leases } from "./admitting/leases.ts";
import { SECRETS_MOUNT_BYTES } from "./config.ts";
import type { Crashpoint } from "./crash-points.ts";
import { Handle, type StartInProgress } from "./handle.ts";
import type { MachinesParts } from "./machines-parts.ts";
import type { ContactWatch, Engine, LiveMachine, MachineRecord, StartPlan } from "./ports.ts";
import type { Turns } from "./turns.ts";

/** Exits of machines that are gone, for clients that ask for them a moment too late. */
export interface RemovedExits {
  add(id: string, exit: MachineExit, tenant: string, nowMs: number): void;
  /** With `tenant` there are no machines but its own. */
  get(id: string, nowMs: number, tenant?: string): MachineExit | undefined;
}

/** who wants a start: only the policy's own starts are tried again when they fail */
export type StartedBy = "user" | "policy" | "crash";

type Shared =
  | "hostPaths"
  | "networkHost"
  | "store"
  | "engines"
  | "images"
  | "folders"
  | "output"
  | "clock"
  | "capacity"
  | "log"
  | "templates"
  | "contacts";

/** What the files of this folder share: the ports, and the handles of this process. */
export interface Context extends Pick<MachinesParts, Shared> {
  readonly crashpoint: Crashpoint;
  readonly admitting: Admitting;
  readonly leases: Leases;
  /** of machines that are written down */
  readonly turns: Turns;
  readonly licences: Licences;
  readonly secrets: Secrets;
  /** absent: no clone is prepared ahead */
  readonly pools?: Pools;
  /** absent: nothing is saved but suspended machines */
  readonly snapshots?: Snapshots;
  /** absent: no machine can mount one */
  readonly volumes?: Volumes;
  /** absent: machines have no network of the host's */
  readonly networks?: Networks;
  readonly looks: Looks;
  /** settles when what an earlier daemon left is cleared away */
  readonly swept: PromiseWithResolvers<void>;
  readonly handles: Map<string, Handle>;
  readonly removedExits: RemovedExits;
  /** of machines whose records are gone, until nothing else is left of them either; by id */
  readonly removals: Map<string, Promise<void>>;
  /** why users' starts are refused, while the host is under pressure */
  readonly contention: { refusal?: string };
  /** Here, as `launch` is, because what they lead to leads to them again. */
  readonly watchIdleness: (handle: Handle, live: LiveMachine, idleMs: number) => void;
  readonly awaitContact: (handle: Handle, taken?: ContactWatch) => void;
  readonly takeContact: (handle: Handle, live: LiveMachine) => Promise<ContactWatch | undefined>;
  /** Begins the start of a machine that is written down as `queued`; here because a start that fails may lead to another start. */
  readonly launch: (handle: Handle, by: StartedBy) => StartInProgress;
  /** aborted by `close` */
  readonly closing: AbortController;
}

export function handleOf(context: Context, id: string): Handle {
  const known = context.handles.get(id);
  if (known) return known;
  const handle = new Handle(id);
  context.handles.set(id, handle);
  return handle;
}

/** Record and handle of what a user names, with `tenant` among its own. Throws SHUTTING_DOWN, MACHINE_NOT_FOUND, MACHINE_AMBIGUOUS. */
export function find(context: Context, ref: string, tenant?: string): { readonly record: MachineRecord; readonly handle: Handle } {
  checkOpen(context);
  const record = context.store.machine(ref, tenant);
  return { record, handle: handleOf(context, record.machine.id) };
}

export function checkOpen(context: Context): void {
  if (context.closing.signal.aborted) throw new IsthmusError("SHUTTING_DOWN");
}

export function engineOf(context: Context, record: MachineRecord): Engine {
  const engine = context.engines.find((one) => one.name === record.machine.engine);
  if (!engine) throw new IsthmusError("ISOLATION_UNAVAILABLE", { isolation: record.machine.isolation });
  return engine;
}

/** A signal that aborts with the user's (as CANCELLED) or with the daemon's end (as SHUTTING_DOWN). */
export function waitingSignal(
  context: Context,
  user: AbortSignal | undefined,
  what: string,
): { readonly signal: AbortSignal; done(): void } {
  const controller = new AbortController();
  const onUser = () => controller.abort(new IsthmusError("CANCELLED", { what }, { cause: user?.reason }));
  const onClosing = () => controller.abort(new IsthmusError("SHUTTING_DOWN"));
  if (user?.aborted === true) onUser();
  if (context.closing.signal.aborted) onClosing();
  user?.addEventListener("abort", onUser, { once: true });
  context.closing.signal.addEventListener("abort", onClosing, { once: true });
  return {
    signal: controller.signal,
    done() {
      user?.removeEventListener("abort", onUser);
      context.closing.signal.removeEventListener("abort", onClosing);
    },
  };
}

export function sleep(context: Context, ms: number): Promise<void> {
  return new Promise((resolve) => {
    context.clock.after(ms, resolve);
  });
}

/** All that the engine needs for this machine; the same for a start and for taking it up later. */
export function planOf(context: Context, record: MachineRecord): StartPlan {
  const { machine, boot } = record;
  const { spec } = machine;
  const { folders } = context;
  return {
    id: machine.id,
    name: machine.name,
    folder: folders.folder(machine.id),
    socketFolder: folders.socketFolder(machine.id),
    ...shapeOfSpec(spec, boot.rootfsPath),
    ...diskOf(context, record),
    outputPath: folders.outputPath(machine.id),
    nic: nicOf(context, record),
    ...(spec.network === "user" && spec.egress?.default === "closed" ? { sealed: true as const } : {}),
    // A machine that was suspended keeps the ports that it had.
    ports: (boot.goesOnFrom?.from === "suspension" ? machine.ports : spec.ports) ?? [],
    hostname: spec.hostname ?? machine.id,
    tmpfs: [...(spec.tmpfs ?? []), ...(spec.secrets?.length ? [{ path: SECRETS_FOLDER, sizeBytes: SECRETS_MOUNT_BYTES }] : [])],
    volumes: plannedVolumes(context, record),
    shares: plannedShares(context, record),
    workload: boot.workload,
    resources: spec.resources,
    ...(usesSecrets(spec) ? { secrets: () => context.secrets.deliver(spec) } : {}),
  };
}

function plannedVolumes({ volumes, folders }: Context, { machine }: MachineRecord): readonly PlannedVolume[] {
  if (volumes === undefined) return [];
  return volumesOf(machine.spec).map(({ name, path, readOnly, index }) => ({
    path,
    diskPath: volumes.folders.diskPath(name),
    ...(readOnly ? { overlayPath: folders.volumeOverlayPath(machine.id, index) } : {}),
    ...(volumes.find(name)?.blank === true ? { filled: () => volumes.change(name, { blank: undefined }) } : {}),
  }));
}

function plannedShares({ hostPaths, folders }: Context, { machine }: MachineRecord): readonly PlannedShare[] {
  return bindsOf(machine.spec).map(({ source, path, readOnly, index }) =>
    hostPaths?.isFile(source) === true
      ? { path, readOnly, folder: folders.fileSharePath(machine.id, index), file: source.slice(source.lastIndexOf("/") + 1) }
      : { path, readOnly, folder: source },
  );
}

export function usesSecrets(spec: MachineSpec): boolean {
  return (spec.secrets?.length ?? 0) > 0 || Object.keys(spec.secretEnv ?? {}).length > 0;
}

function diskOf({ folders }: Context, { machine, boot }: MachineRecord): Pick<StartPlan, "diskPath" | "diskFormat"> {
  if (machine.spec.readOnly === true) return {};
  return boot.overlay === true
    ? { diskPath: folders.overlayPath(machine.id), diskFormat: "qcow2" }
    : { diskPath: folders.diskPath(machine.id) };
}
