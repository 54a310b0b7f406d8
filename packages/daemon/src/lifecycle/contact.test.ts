import { IsthmusError } from "@isthmus/contract";
import type { ContactPorts, ContactWatch } from "@isthmus/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

const ports = [{ guest: 80, host: 18_080, address: "127.0.0.1", protocol: "tcp" as const }];
const spec = { image: "busybox", name: "web", command: ["httpd"], network: "user" as const, ports, resumeOnContact: true };

/** Ports that nobody listens on; what is done with them, and in which state their machine is then. */
class FakeContacts implements ContactPorts {
  readonly done: string[] = [];
  /** a connection comes */
  contact = () => {};
  refuses = false;
  readonly #state: () => string;

  constructor(state: () => string) {
    this.#state = state;
  }

  async watch(): Promise<ContactWatch> {
    return this.#watch("watch");
  }

  async take(): Promise<ContactWatch> {
    this.#note("take");
    if (this.refuses) throw new IsthmusError("HOST_COMMAND_FAILED", { program: "isthmus-take", reason: "it may not" });
    return this.#watch("taken");
  }

  #note(what: string): void {
    this.done.push(`${what} (${this.#state()})`);
  }

  #watch(how: string): ContactWatch {
    this.#note(how);
    let held = false;
    let tell: (() => void) | undefined;
    this.contact = () => {
      held = true;
      tell?.();
    };
    return {
      arm: (contacted) => {
        this.#note("arm");
        tell = contacted;
        if (held) contacted();
      },
      free: async () => this.#note("free"),
      pass: () => this.#note("pass"),
      close: () => this.#note("close"),
    };
  }
}

let daemon: FakeDaemon;
let contacts: FakeContacts;
const state = () => daemon.all()[0]?.state ?? "none";
beforeEach(async () => {
  daemon = new FakeDaemon();
  contacts = new FakeContacts(state);
  daemon.contacts = contacts;
  await daemon.restart();
  await daemon.machines.create(spec, { start: true });
});
afterEach(() => daemon.remove());

describe("ports of a machine that is to be resumed by contact", () => {
  it("are taken over before it is called suspended, and waited at from then on", async () => {
    await daemon.machines.suspend("web");
    expect(contacts.done).toEqual(["take (running)", "taken (running)", "arm (suspended)"]);
    contacts.contact();
    await quiet();
    expect([state(), contacts.done.slice(3)]).toEqual(["running", ["free (starting)", "pass (running)"]]);
  });

  it("resume it also for who came while it was being saved", async () => {
    const suspended = daemon.machines.suspend("web");
    while (contacts.done.length < 2) await Promise.resolve();
    contacts.contact();
    await suspended;
    await quiet();
    expect([state(), contacts.done.at(-1)]).toEqual(["running", "pass (running)"]);
  });

  it("are its own again when it cannot be saved, and so is what came meanwhile", async () => {
    daemon.host.captureFails = new IsthmusError("DISK_FULL", { what: "saving it" });
    await expect(daemon.machines.suspend("web")).rejects.toMatchObject({ code: "DISK_FULL" });
    expect([state(), contacts.done]).toEqual(["running", ["take (running)", "taken (running)", "free (running)", "pass (running)"]]);
  });

  it("are listened on when they are free where they cannot be taken over, and by the next daemon", async () => {
    contacts.refuses = true;
    await daemon.machines.suspend("web");
    await quiet();
    expect(contacts.done).toEqual(["take (running)", "watch (suspended)", "arm (suspended)"]);
    await daemon.crash();
    await quiet();
    expect(contacts.done.slice(-2)).toEqual(["watch (suspended)", "arm (suspended)"]);
  });

  it("of one that nobody is to resume are let go of", async () => {
    await daemon.machines.create({ ...spec, name: "other", resumeOnContact: false, ports: [] }, { start: true });
    await daemon.machines.suspend("other");
    await quiet();
    expect(contacts.done).toEqual([]);
  });
});
