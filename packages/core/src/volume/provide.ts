import { defaults, hasCode, IsthmusError, type MachineSpec, type Mount } from "@isthmus/contract";
import type { Context } from "../machine/context.ts";
import type { MachineRecord } from "../machine/ports.ts";
import { bindsOf, volumesOf } from "./mounts.ts";
import type { StoredVolume } from "./ports.ts";
import { checkGiven, mayMount } from "./tenants.ts";
import type { Volumes } from "./volumes.ts";

/** See `CreateOptions`. */
interface AskedBy {
  readonly remote?: boolean;
  readonly tenantBound?: boolean;
}

export interface Provided {
  readonly spec: MachineSpec;
  /** Takes back what was made, when no machine came of it. */
  readonly undo: () => Promise<void>;
}

/**
 * A resolved spec in which every volume has a name and is there: named ones are made when they are missing, anonymous ones for machine `id`, both for the tenant that the
 * spec names, else for the host. Throws as `Volumes.create`, VOLUME_NAME_TAKEN, and VOLUME_IN_USE for one that is being imported.
 */
export async function provideVolumes(context: Context, id: string, given: MachineSpec, by: AskedBy): Promise<Provided> {
  const { volumes } = context;
  const spec = await withHostPaths(context, given, by.remote === true);
  if (volumes === undefined || spec.mounts === undefined) return { spec, undo: async () => {} };
  await volumes.load();
  // What is to be refused is refused before anything is made.
  for (const { name } of volumesOf(spec)) {
    const known = volumes.find(name);
    if (known !== undefined) checkGiven(spec, known, by.tenantBound === true);
  }
  const made: string[] = [];
  const undo = async () => {
    for (const name of made) await takeBack(context, volumes, name);
  };
  const wanted: Wanted = { volumes, id, tenant: spec.tenant, made };
  try {
    const mounts: Mount[] = [];
    for (const mount of spec.mounts) mounts.push(await provided(wanted, mount));
    return { spec: { ...spec, mounts }, undo };
  } catch (error) {
    await undo();
    throw error;
  }
}

/** The same with the paths of the host that its binds really mean. Throws HOST_PATH_REFUSED. */
async function withHostPaths({ hostPaths }: Context, spec: MachineSpec, remote: boolean): Promise<MachineSpec> {
  if (spec.mounts === undefined || bindsOf(spec).length === 0) return spec;
  const mounts: Mount[] = [];
  for (const mount of spec.mounts) {
    const { type, source = "" } = mount;
    if (type === "bind" && hostPaths === undefined)
      throw new IsthmusError("HOST_PATH_REFUSED", { path: source, reason: "this daemon gives none" });
    mounts.push(type === "bind" && hostPaths !== undefined ? { ...mount, source: await hostPaths.resolve(source, remote) } : mount);
  }
  return { ...spec, mounts };
}

/** Ahead of a start: the paths may have become others since the machine was made, and the files are laid out. Throws HOST_PATH_REFUSED. */
export async function layOutBinds({ hostPaths, folders }: Context, { machine }: MachineRecord): Promise<void> {
  for (const { source, index, readOnly } of bindsOf(machine.spec)) {
    const now = await hostPaths?.resolve(source, false);
    if (now !== source) throw new IsthmusError("HOST_PATH_REFUSED", { path: source, reason: `it has become a link to ${now}` });
    if (hostPaths?.isFile(source) === true) await folders.createFileShare(machine.id, index, source, readOnly);
  }
}

/** Another machine may have come to name it meanwhile, with what it finds there. */
async function takeBack(context: Context, volumes: Volumes, name: string): Promise<void> {
  if (context.store.allMachines().some(({ machine }) => volumesOf(machine.spec).some((one) => one.name === name))) return;
  await volumes
    .remove(name)
    .catch((error: unknown) => context.log.warn({ volume: name, err: error }, "a volume is left that no machine came to need"));
}

/** Ahead of a machine's insertion: its volumes may have become others since they were provided. It waits for nothing. Throws VOLUME_NOT_FOUND, VOLUME_NAME_TAKEN, VOLUME_IN_USE. */
export function checkProvided({ volumes }: Context, spec: MachineSpec, { tenantBound = false }: AskedBy): void {
  if (volumes === undefined) return;
  for (const { name } of volumesOf(spec)) checkGiven(spec, volumes.get(name), tenantBound);
}

interface Wanted {
  readonly volumes: Volumes;
  /** of the machine */
  readonly id: string;
  readonly tenant: string | undefined;
  readonly made: string[];
}

async function provided(wanted: Wanted, { sizeBytes, ...mount }: Mount): Promise<Mount> {
  const { volumes, id, tenant, made } = wanted;
  const { source } = mount;
  if (mount.type === "bind") return mount;
  if (source !== undefined && volumes.find(source) !== undefined) return mount;
  const owner = source === undefined ? { goesWith: id } : { name: source };
  try {
    const { name } = await volumes.create({ sizeBytes: sizeBytes ?? defaults.volumeBytes, labels: {}, tenant, ...owner });
    made.push(name);
    return { ...mount, source: name };
  } catch (error) {
    // Another machine that wants it is making it at this moment, or it is being removed.
    if (source === undefined || !hasCode(error, "VOLUME_EXISTS")) throw error;
    await volumes.settled(source);
    return await provided(wanted, { sizeBytes, ...mount });
  }
}

/** Ahead of a machine's removal: anonymous volumes that shall stay no longer belong to it. */
export async function keepVolumes(context: Context, record: MachineRecord): Promise<void> {
  for (const { name } of anonymousOf(context, record)) await context.volumes?.change(name, { goesWith: undefined });
}

/** After it: those that went with it. One that cannot be removed is a leftover, which the next daemon removes. */
export async function removeVolumes(context: Context, record: MachineRecord): Promise<void> {
  const { volumes } = context;
  if (volumes === undefined) return;
  for (const volume of anonymousOf(context, record)) {
    context.crashpoint("remove.before-volume");
    await removeUnnamed(context, volumes, volume).catch((error: unknown) =>
      context.log.error({ volume: volume.name, err: error }, "a volume of a removed machine is left"),
    );
    context.crashpoint("remove.after-volume");
  }
}

/** One that another machine has come to name by its digits is that one's too, and stays. Nothing waits between the look and the reservation of its name. True when it went. */
async function removeUnnamed(context: Context, volumes: Volumes, volume: StoredVolume): Promise<boolean> {
  const { name } = volume;
  const names = ({ machine: { spec } }: MachineRecord) => mayMount(spec, volume) && volumesOf(spec).some((one) => one.name === name);
  // One that was half imported is nobody's, whoever names it.
  const named = volume.anonymous && context.store.allMachines().some(names);
  if (named) await volumes.change(name, { goesWith: undefined });
  else await volumes.remove(name);
  return !named;
}

function anonymousOf(context: Context, { machine }: MachineRecord) {
  return volumesOf(machine.spec).flatMap(({ name }) => {
    const volume = context.volumes?.find(name);
    return volume?.anonymous === true && volume.goesWith === machine.id ? [volume] : [];
  });
}

/** Anonymous volumes of machines that are gone, which a crash left. Called when all machines are known. */
export async function sweepVolumes(context: Context): Promise<void> {
  const { volumes } = context;
  if (volumes === undefined) return;
  await volumes.load();
  const ids = new Set(context.store.allMachines().map(({ machine }) => machine.id));
  for (const volume of volumes.inherited()) {
    const { name, goesWith } = volume;
    if (goesWith === undefined || ids.has(goesWith)) continue;
    if (await removeUnnamed(context, volumes, volume)) context.log.warn({ volume: name }, "removed a volume whose machine is gone");
  }
}
