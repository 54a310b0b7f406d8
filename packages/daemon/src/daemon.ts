import { rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Version } from "@isthmus/contract";
import { type Log, type Store, Tokens } from "@isthmus/core";
import { createHttpDoor } from "@isthmus/door-http";
import { openStore } from "@isthmus/host-store";
import { type DaemonConfig, VERSION } from "./config.ts";
import { systemClock } from "./host.ts";
import { readTcpFiles, watchTls } from "./tcp-files.ts";
import { makeTrustedFolder } from "./trusted-folder.ts";
import { type Parts, wire } from "./wiring.ts";

export interface RunningDaemon {
  /** when TCP is served */
  readonly tcpPort?: number;
  /** settles when every machine of an earlier daemon has its verdict */
  readonly adopted: Promise<void>;
  /** Takes up certificate, key and client authorities of the TCP listener anew. */
  reload(): void;
  /** Refuses new requests, ends streams, lets go of machines, which keep running, and removes the socket. A second call waits for the first. */
  close(): Promise<void>;
}

/**
 * Starts a daemon in this process: the store first, whose lock keeps a second daemon out, then the machines that run, and the socket at last. Throws
 * DATA_FOLDER_LOCKED, STORE_TOO_NEW, STORE_FAILED, CONFIG_INVALID, LOCAL_FILE.
 */
export async function startDaemon(config: DaemonConfig, log: Log): Promise<RunningDaemon> {
  const startedAt = new Date();
  for (const folder of [config.home, config.runFolder]) makeTrustedFolder(folder);
  const tcp = config.tcp && readTcpFiles(config.tcp);
  const store = openStore(join(config.home, "isthmus.db"));
  try {
    const parts = await wire(config, store, log);
    const adopted = adopt(parts, log).then(() => parts.watcher.start());
    const door = await createHttpDoor({
      ...parts,
      tokens: new Tokens(store, systemClock),
      pressure: () => parts.watcher.report(),
      version: () => versionOf(config, parts, startedAt),
      log,
    });
    const { tcpPort } = await door.listen({ socketPath: config.socketPath, tcp });
    const tls = watchTls(config.tcp, door, log);
    store.appendEvents([{ type: "daemon.started", details: { pid: process.pid, version: VERSION } }]);
    const ms = Math.round(performance.now());
    log.info({ pid: process.pid, version: VERSION, home: config.home, socket: config.socketPath, tcpPort, ms }, "the daemon is ready");
    let closing: Promise<void> | undefined;
    return {
      tcpPort,
      adopted,
      reload: () => tls.look(true),
      close() {
        tls.stop();
        closing ??= closeAll(config, store, parts, door, log);
        return closing;
      },
    };
  } catch (error) {
    store.close();
    throw error;
  }
}

async function closeAll(config: DaemonConfig, store: Store, parts: Parts, door: { close(): Promise<void> }, log: Log): Promise<void> {
  // The door refuses what comes from now on, while the machines let the requests go that still wait.
  await Promise.all([door.close(), parts.machines.close()]);
  // Last, for it removes the groups of what those have ended.
  await parts.watcher.close();
  store.appendEvents([{ type: "daemon.stopped", details: { pid: process.pid } }]);
  rmSync(config.socketPath, { force: true });
  store.close();
  log.info({ pid: process.pid }, "the daemon has stopped; machines go on");
}

/** Begins at once and is not waited for: a request for a machine waits for that machine only. */
async function adopt({ machines }: Parts, log: Log): Promise<void> {
  const began = performance.now();
  try {
    const report = await machines.adoptAll();
    log.info({ ...report, ms: Math.round(performance.now() - began) }, "took up the machines of an earlier daemon");
  } catch (error) {
    log.error({ err: error }, "could not take up the machines of an earlier daemon");
  }
}

function versionOf(config: DaemonConfig, parts: Parts, startedAt: Date): Version {
  return {
    version: VERSION,
    api: "v1",
    pid: process.pid,
    startedAt: startedAt.toISOString(),
    node: process.version,
    home: config.home,
    machines: { ...parts.machines.counts() },
    rssBytes: process.memoryUsage.rss(),
  };
}
