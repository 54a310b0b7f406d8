import { openDoor } from "@isthmus/door-http/testing";
import { expect, it } from "vitest";
import { Isthmus } from "./mod.ts";

it("networks are made, listed, shown, joined, left, pruned and removed", async () => {
  await using open = await openDoor();
  using isthmus = new Isthmus({ socketPath: open.socketPath });
  const { networks } = isthmus;
  const web = await networks.create({ name: "web", subnet: "10.40.0.0/24", labels: { a: "b" } });
  const other = await networks.create({ name: "other", internal: true });
  expect([web.subnet, web.labels, other.internal]).toEqual(["10.40.0.0/24", { a: "b" }, true]);
  expect(await networks.list()).toEqual([web, other]);
  const { id } = await isthmus.machines.create({ image: "busybox", name: "api" }, { start: false });
  expect(await networks.connect("web", { machine: "api", ip: "10.40.0.9", aliases: ["db"] })).toMatchObject({ name: "api" });
  expect((await networks.get("web")).machines).toMatchObject([{ machineId: id, ip: "10.40.0.9", aliases: ["db"] }]);
  await expect(networks.remove("web")).rejects.toMatchObject({ code: "NETWORK_IN_USE" });
  expect(await networks.prune()).toEqual([other]);
  await networks.disconnect("web", "api");
  expect(await networks.remove("web")).toMatchObject({ name: "web" });
  await expect(networks.get("web")).rejects.toMatchObject({ code: "NETWORK_NOT_FOUND" });
  await expect(networks.create({ name: "../x" })).rejects.toMatchObject({ code: "INVALID_REQUEST" });
});
