import { accessSync, constants, writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import type { EgressDenial } from "@isthmus/contract";
import type { Log, NetworkHost } from "@isthmus/core";
import { ANNOUNCER } from "./announce.ts";
import { namesOf } from "./names.ts";
import { Parking } from "./parking.ts";
import { Present, type StartGateway } from "./present.ts";
import { Published } from "./published/published.ts";
import { leftOf } from "./strays.ts";
import { hostAddresses } from "./uplink.ts";

export interface NetworkHostOptions {
  /** the daemon's data folder, which tells its networks from other daemons' */
  readonly home: string;
  /** folder for sockets, of this daemon only */
  readonly runFolder: string;
  readonly start: StartGateway;
  /** beside it lies the program that announces machines to one another */
  readonly agentPath?: string;
  readonly log: Log;
}

const PROGRAMS = ["ip", "nft", "nsenter", "unshare"] as const;

/** Networks of this host, for a daemon that is root. */
export function createNetworkHost({ home, runFolder, start, agentPath, log }: NetworkHostOptions): NetworkHost {
  const folder = join(runFolder, "networks");
  const known = new Map<string, Present>();
  const published = new Published({ home, runFolder, log });
  // No network has an empty name.
  const parking = new Parking(namesOf(home, ""));
  const announcer = agentPath === undefined ? undefined : join(dirname(agentPath), ANNOUNCER);
  let denied: (denial: EgressDenial) => void = () => {};
  const presentOf = (network: string) => {
    const names = namesOf(home, network);
    const place = { names, folder: join(folder, names.tag), parking };
    const present = known.get(network) ?? new Present({ ...place, start, announcer, denied: (one) => denied(one), log });
    known.set(network, present);
    return present;
  };
  return {
    refusal,
    namespace: (network) => namesOf(home, network).namespace,
    addresses: hostAddresses,
    parking: {
      namespace: parking.namespace,
      add: (tap) => parking.add(tap),
      keep: (taps) => parking.keep(taps),
    },
    async apply(state, leaving) {
      const { name } = state.network;
      const own = join(folder, namesOf(home, name).tag);
      await mkdir(own, { recursive: true, mode: 0o700 });
      writeFileSync(join(own, "name"), name);
      await presentOf(name).apply(state, leaving);
      if (!state.network.internal) await published.clear(namesOf(home, name));
    },
    async limit(network, limits) {
      await presentOf(network).limit(limits);
    },
    publish: ({ network, address, ports }) => published.publish({ names: namesOf(home, network), address }, ports),
    takeUpPublished: (wanted) => published.takeUp(wanted.map(({ network, ...rest }) => ({ names: namesOf(home, network), ...rest }))),
    async remove(network, leaving) {
      const present = presentOf(network);
      known.delete(network);
      await present.remove(leaving);
      await rm(join(folder, namesOf(home, network).tag), { recursive: true, force: true });
    },
    async left() {
      return await leftOf(home, folder);
    },
    onDenied(listener) {
      denied = listener;
    },
    close() {
      published.close();
      for (const present of known.values()) present.close();
    },
  };
}

function refusal(): string | undefined {
  if (process.getuid?.() !== 0) return "it does not run as root";
  const missing = PROGRAMS.find((program) => !isThere(program));
  return missing === undefined ? undefined : `the program ${missing} is missing`;
}

function isThere(program: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
