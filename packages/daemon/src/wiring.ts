import { join } from "node:path";
import process from "node:process";
import {
  type AcceleratorVerdict,
  createMachines,
  type Doctor,
  type ImageStore,
  type Kernels,
  type Log,
  type Machines,
  type Store,
  Templates,
} from "@isthmus/core";
import { createQemuEngine } from "@isthmus/engine-qemu";
import { createImageStore, ensureBuiltIn } from "@isthmus/host-images";
import { createKernels } from "@isthmus/host-kernel";
import { createOutputFiles } from "@isthmus/host-output";
import { withBuiltIn } from "./built-in-image.ts";
import type { DaemonConfig } from "./config.ts";
import { createContactPorts } from "./contact-ports.ts";
import { crashAt } from "./crash.ts";
import { fetchingKernels } from "./fetching-kernels.ts";
import { createFolders, disksFolder } from "./folders.ts";
import { hostCapacity, systemClock } from "./host.ts";
import { createPlaces } from "./prepared-places.ts";
import { createSnapshotFolders } from "./snapshot-folders.ts";
import { createTemplateFolders } from "./template-folders.ts";

/** The parts of a daemon, joined. */
export interface Parts {
  readonly machines: Machines;
  readonly images: ImageStore;
  readonly kernels: Kernels;
  readonly doctor: Doctor;
}

/** The only place that knows which implementation stands behind which port. */
export async function wire(config: DaemonConfig, store: Store, log: Log): Promise<Parts> {
  const capacity = hostCapacity(config.memoryOvercommit);
  const { agentPath, home } = config;
  const kernels = fetchingKernels(createKernels({ folder: join(home, "kernels"), agentPath, configuredPath: config.kernelPath }), log);
  const engine = createQemuEngine({
    kernels,
    stateFolder: join(home, "engine"),
    bootId: capacity.bootId(),
    agentPath,
    log: (message, details) => log.info(details, message),
  });
  const images = withBuiltIn(await createImageStore({ folder: join(home, "images") }), ensureBuiltIn, log);
  const templates = new Templates({
    folders: createTemplateFolders(join(home, "templates"), disksFolder(home), config.runFolder),
    clock: systemClock,
    log,
    enabled: config.templates,
  });
  const machines = createMachines({
    store,
    templates,
    places: config.templates && config.pools ? createPlaces(home, config.runFolder) : undefined,
    contacts: createContactPorts(),
    snapshotFolders: createSnapshotFolders(join(home, "snapshots")),
    engines: [engine],
    images,
    folders: createFolders(home, config.runFolder),
    output: createOutputFiles(),
    clock: systemClock,
    capacity,
    log,
    crashpoint: crashAt(config.crashAt),
  });
  return { machines, images, kernels, doctor: lazyDoctor(config, kernels, (anew) => engine.accelerator(anew)) };
}

/** Loaded when it is asked for: a daemon that is never asked spares its memory. */
function lazyDoctor(config: DaemonConfig, kernels: Kernels, accelerator: (anew: boolean) => Promise<AcceleratorVerdict>): Doctor {
  const { home, socketPath, agentPath } = config;
  return {
    async report(options) {
      const { createDoctor } = await import("@isthmus/host-doctor");
      const sqliteVersion = () => process.versions.sqlite ?? "unknown";
      return await createDoctor({ home, socketPath, agentPath, uid: process.getuid?.() ?? 0, kernels, accelerator, sqliteVersion }).report(
        options,
      );
    },
  };
}
