import { join } from "node:path";
import process from "node:process";
import {
  type AcceleratorVerdict,
  ContentionWatcher,
  createMachines,
  type Doctor,
  type ImageStore,
  type Kernels,
  type Log,
  type MachineGroups,
  type Machines,
  type Metrics,
  type Store,
  Templates,
} from "@isthmus/core";
import { createQemuEngine, type EngineLog, type QemuEngine, type QemuEngineOptions } from "@isthmus/engine-qemu";
import { createGroups } from "@isthmus/host-cgroup";
import { GatewayClient } from "@isthmus/host-gateway";
import { createImageStore, ensureBuiltIn } from "@isthmus/host-images";
import { createKernels } from "@isthmus/host-kernel";
import { createMetrics } from "@isthmus/host-metrics";
import { createNetworkHost } from "@isthmus/host-network";
import { createOutputFiles } from "@isthmus/host-output";
import { createGauge, createMeter } from "@isthmus/host-pressure";
import { withBuiltIn } from "./built-in-image.ts";
import { type DaemonConfig, VERSION } from "./config.ts";
import { createContactPorts } from "./contact-ports.ts";
import { crashAt } from "./crash.ts";
import { fetchingKernels } from "./fetching-kernels.ts";
import { createFolders, disksFolder } from "./folders.ts";
import { hostCapacity, systemClock } from "./host.ts";
import { createHostPaths } from "./host-paths.ts";
import { createPlaces } from "./prepared-places.ts";
import { createSecretBox } from "./secret-box.ts";
import { createSnapshotFolders } from "./snapshot-folders.ts";
import { createTemplateFolders } from "./template-folders.ts";
import { createVolumeFolders } from "./volume-folders.ts";

/** The parts of a daemon, joined. */
export interface Parts {
  readonly machines: Machines;
  readonly images: ImageStore;
  readonly kernels: Kernels;
  readonly doctor: Doctor;
  readonly watcher: ContentionWatcher;
  readonly metrics: Metrics;
}

/** The only place that knows which implementation stands behind which port. */
export async function wire(config: DaemonConfig, store: Store, log: Log): Promise<Parts> {
  const capacity = hostCapacity();
  const { home } = config;
  const kernels = kernelsOf(config, log);
  const groups = groupsOf(config, log);
  const engine = engineOf(config, { kernels, groups, bootId: capacity.bootId() }, log);
  const images = withBuiltIn(await createImageStore({ folder: join(home, "images"), registries: config.registries }), ensureBuiltIn, log);
  const templates = new Templates({
    folders: createTemplateFolders(join(home, "templates"), disksFolder(home), config.runFolder),
    clock: systemClock,
    log,
    enabled: config.templates,
  });
  const gauge = createGauge({ home });
  // Asked for only once there is one.
  const watching: { watcher?: ContentionWatcher } = {};
  const machines = createMachines({
    store,
    admission: config.admission,
    secretBox: createSecretBox(config.secretsKeyPath),
    gauge,
    measuredBytes: (id) => watching.watcher?.memoryBytes(id),
    measures: () => watching.watcher?.measures ?? [],
    templates,
    pools: config.pools,
    places: config.templates && config.pools ? createPlaces(home, config.runFolder) : undefined,
    contacts: createContactPorts(config),
    networkHost: createNetworkHost({
      home,
      runFolder: config.runFolder,
      agentPath: config.agentPath,
      start: (place) => GatewayClient.open(place),
      log,
    }),
    snapshotFolders: createSnapshotFolders(join(home, "snapshots")),
    hostPaths: createHostPaths(config.hostPaths, [home, config.runFolder]),
    volumeFolders: createVolumeFolders(join(home, "volumes")),
    engines: [engine],
    images,
    folders: createFolders(home, config.runFolder),
    output: createOutputFiles(),
    clock: systemClock,
    capacity,
    log,
    crashpoint: crashAt(config.crashAt),
  });
  const watcher = new ContentionWatcher({
    gauge,
    meter: createMeter({ groupBytes: (pid) => groups.memoryBytes(pid) }),
    groups,
    actions: machines.contention,
    clock: systemClock,
    log,
    enabled: config.contention,
  });
  watching.watcher = watcher;
  const metrics = createMetrics({ ...machines.host, onEvents: (listener) => store.onEvents(listener) }, VERSION);
  const doctor = lazyDoctor(config, kernels, (anew) => engine.accelerator(anew), groups);
  return { machines, images, kernels, watcher, metrics, doctor };
}

function engineOf(
  { home, agentPath, forks, idleCodeMs }: DaemonConfig,
  parts: Pick<QemuEngineOptions, "kernels" | "groups" | "bootId">,
  log: Log,
): QemuEngine {
  const words: EngineLog = (message, details) => log.info(details, message);
  return createQemuEngine({ ...parts, stateFolder: join(home, "engine"), agentPath, forks, idleCodeMs, log: words });
}

/** Groups of machines that ended while no daemon ran go at once; the kernel keeps those that hold a process. */
function groupsOf({ home, cgroup }: DaemonConfig, log: Log): MachineGroups {
  const groups = createGroups({ home, enabled: cgroup !== "off", parent: cgroup.startsWith("/") ? cgroup : undefined });
  const removed = groups.sweep();
  if (removed > 0) log.info({ removed }, "removed the groups of engine processes that have ended");
  if (groups.shortcomings.length > 0) log.warn({ shortcomings: groups.shortcomings }, "machines cannot be limited in every way");
  return groups;
}

/** Loaded when it is asked for: a daemon that is never asked spares its memory. */
function lazyDoctor(
  config: DaemonConfig,
  kernels: Kernels,
  accelerator: (anew: boolean) => Promise<AcceleratorVerdict>,
  groups: MachineGroups,
): Doctor {
  const { home, socketPath, agentPath } = config;
  return {
    async report(options) {
      const { createDoctor } = await import("@isthmus/host-doctor");
      const sqliteVersion = () => process.versions.sqlite ?? "unknown";
      return await createDoctor({
        home,
        socketPath,
        agentPath,
        uid: process.getuid?.() ?? 0,
        kernels,
        accelerator,
        sqliteVersion,
        shortcomings: groups.shortcomings,
      }).report(options);
    },
  };
}

function kernelsOf({ home, agentPath, kernelPath, kernelFragmentPath }: DaemonConfig, log: Log): Kernels {
  const folder = join(home, "kernels");
  return fetchingKernels(createKernels({ folder, agentPath, configuredPath: kernelPath, fragmentPath: kernelFragmentPath }), log);
}
