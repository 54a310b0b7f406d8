import { join } from "node:path";
import process from "node:process";
import { createNetworkHost } from "@isthmus/host-network";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";

const path = process.env.PATH;
let daemon: FakeDaemon;
beforeEach(async () => {
  daemon = new FakeDaemon();
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const start = () => Promise.reject(new Error("no gateway is started here"));
  daemon.networkHost = createNetworkHost({ home: daemon.folder, runFolder: join(daemon.folder, "run"), start, log });
  await daemon.restart();
});
afterEach(() => {
  process.env.PATH = path;
  daemon.remove();
});

const refused = (reason: string) => expect.objectContaining({ code: "NETWORK_UNAVAILABLE", details: { reason } });

it("refuses all that needs a network of the host where a program for it is missing, and leaves nothing", async () => {
  await daemon.machines.networks.create({ name: "web" });
  await daemon.machines.create({ image: "busybox", name: "old" });
  process.env.PATH = daemon.folder;
  const why = refused("the program ip is missing");
  expect(() => daemon.machines.networks.create({ name: "more" })).toThrow(why);
  await expect(daemon.machines.create({ image: "busybox", networks: [{ network: "web" }] })).rejects.toThrow(why);
  await expect(daemon.machines.create({ image: "busybox", network: "bridge" })).rejects.toThrow(why);
  const egress = { default: "closed", allow: [{ host: "api.example.org" }] } as const;
  await expect(daemon.machines.create({ image: "busybox", egress: { ...egress, allow: [...egress.allow] } })).rejects.toThrow(why);
  await expect(daemon.machines.networks.connect("web", { machine: "old" })).rejects.toThrow(why);
  expect([daemon.all().map(({ name }) => name), daemon.machines.networks.list().map(({ name }) => name)]).toEqual([["old"], ["web"]]);
});

it("goes on with what needs none of them", async () => {
  process.env.PATH = daemon.folder;
  const machine = await daemon.machines.create({ image: "busybox", network: "user", egress: { default: "closed" } }, { start: true });
  expect(machine).toMatchObject({ state: "running", spec: { network: "user" } });
});
