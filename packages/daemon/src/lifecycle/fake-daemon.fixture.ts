import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GIB, IsthmusError, type Machine } from "@isthmus/contract";
import {
  type AdmissionSettings,
  type ContactPorts,
  type CrashPoint,
  createMachines,
  type Engine,
  type Log,
  type MachineFolders,
  type MachinePorts,
  type Machines,
  type NetworkHost,
  type Store,
} from "@isthmus/core";
import { openStore } from "@isthmus/host-store";
import { busybox, FakeClock, FakeHost, fakeEngine, fakeFolders, fakeOutput, fakeSnapshots, quiet } from "./fake-host.fixture.ts";
import { type FakeNetworks, fakeNetworks } from "./fake-networks.fixture.ts";
import { fakeVolumes } from "./fake-volumes.fixture.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** The machines of one daemon after the other on a fake host, with a real store in a folder of its own. */
export class FakeDaemon {
  readonly host = new FakeHost();
  readonly clock = new FakeClock();
  readonly networks: FakeNetworks = { rates: new Map(), listening: new Map(), open: 0, taps: new Map() };
  readonly folder = mkdtempSync(join(tmpdir(), "isthmus-machines-"));
  memoryTotalBytes = 64 * GIB;
  cpus = 2;
  /** limits of the next daemon */
  admission: AdmissionSettings = {};
  /** of the next daemon */
  contacts: ContactPorts | undefined;
  /** of the next daemon */
  networkHost: NetworkHost | undefined;
  /** the next daemon dies at this place */
  crashAt: CrashPoint | undefined;
  machines: Machines;
  store: Store;
  dead = false;
  #life = { dead: false };

  constructor() {
    [this.machines, this.store] = this.#boot();
  }

  /** As `kill -9`: from this moment nothing of the old daemon has any effect. Then a new one takes up what it left. */
  async crash(): Promise<void> {
    this.#die();
    await quiet();
    await this.restart();
  }

  async restart(): Promise<void> {
    this.#die();
    this.store.close();
    this.clock.forget();
    this.dead = false;
    [this.machines, this.store] = this.#boot();
    await this.machines.adoptAll();
    await quiet();
  }

  remove(): void {
    this.#die();
    this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  all(): readonly Machine[] {
    return this.store.allMachines().map((record) => record.machine);
  }

  #die(): void {
    this.dead = true;
    this.#life.dead = true;
  }

  #boot(): [Machines, Store] {
    const life = { dead: false };
    this.#life = life;
    const store = openStore(join(this.folder, "isthmus.db"), () => this.clock.now());
    const machines = createMachines({
      store: mortal(store, life),
      engines: [mortal(mortalMachines(fakeEngine(this.host), life), life)],
      folders: mortalFolders(fakeFolders(this.host), life),
      snapshotFolders: mortal(fakeSnapshots(this.host), life),
      volumeFolders: mortal(fakeVolumes(this.host.volumes), life),
      networkHost: mortalNetworks(fakeNetworks(this.networks), life),
      output: mortal(fakeOutput(this.host), life),
      images: { resolve: async (ref) => (ref === "missing" ? Promise.reject(new IsthmusError("IMAGE_NOT_FOUND", { ref })) : busybox) },
      clock: {
        now: () => this.clock.now(),
        after: (ms, action) => (life.dead ? () => {} : this.clock.after(ms, action)),
      },
      admission: this.admission,
      ...(this.contacts && { contacts: mortal(this.contacts, life) }),
      ...(this.networkHost && { networkHost: this.networkHost }),
      capacity: {
        memoryTotalBytes: () => this.memoryTotalBytes,
        memoryFreeBytes: () => this.memoryTotalBytes,
        cpus: () => this.cpus,
        bootId: () => this.host.bootId,
      },
      log: silent,
      crashpoint: (name) => {
        if (life.dead) throw new IsthmusError("SHUTTING_DOWN");
        if (name !== this.crashAt) return;
        this.crashAt = undefined;
        this.#die();
        throw new IsthmusError("SHUTTING_DOWN");
      },
    });
    return [machines, store];
  }
}

function mortalFolders(folders: MachineFolders, life: { readonly dead: boolean }): MachineFolders {
  return mortal({ ...folders, saved: mortal(folders.saved, life) }, life);
}

function mortalNetworks(host: NetworkHost, life: { readonly dead: boolean }): NetworkHost {
  const mortals = {
    ...host,
    parking: mortal(host.parking, life),
    publish: async (wanted: MachinePorts) => mortal(await host.publish(wanted), life),
    takeUpPublished: async (wanted: readonly MachinePorts[]) => (await host.takeUpPublished(wanted)).map((one) => one && mortal(one, life)),
  };
  return mortal(mortals, life);
}

function mortalMachines(engine: Engine, life: { readonly dead: boolean }): Engine {
  const { saving } = engine;
  return {
    ...engine,
    saving: saving && { ...saving, restore: async (plan, saved, signal) => mortal(await saving.restore(plan, saved, signal), life) },
    start: async (plan, signal) => mortal(await engine.start(plan, signal), life),
    async adopt(plan, signal, before) {
      const live = await engine.adopt(plan, signal, before);
      return live && mortal(live, life);
    },
  };
}

/** The same port until `life` is over; then every call fails, as nothing can be done by a process that is gone. */
function mortal<T extends object>(port: T, life: { readonly dead: boolean }): T {
  return new Proxy(port, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => {
        if (life.dead) throw new IsthmusError("SHUTTING_DOWN");
        const result: unknown = Reflect.apply(value, target, args);
        return result;
      };
    },
  });
}
