import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { openDoor } from "@isthmus/door-http/testing";
import { expect, it } from "vitest";
import { Isthmus } from "./mod.ts";

it("volumes are made, listed, shown, copied, pruned and removed", async () => {
  await using open = await openDoor();
  using isthmus = new Isthmus({ socketPath: open.socketPath });
  const { volumes } = isthmus;
  const data = await volumes.create({ name: "data", sizeBytes: 64 * 1024 * 1024, labels: { a: "b" } });
  const anonymous = await volumes.create();
  expect(await volumes.list()).toEqual([data, anonymous]);
  expect(await volumes.get("data")).toEqual(data);
  const copy = await volumes.import({ name: "copy", labels: { x: "y=z" }, tenant: "team-a" }, Readable.from(["content"]));
  expect(copy).toMatchObject({ name: "copy", labels: { x: "y=z" }, tenant: "team-a" });
  expect(await text(await volumes.export("copy"))).toBe("content");
  expect(await volumes.prune()).toEqual([anonymous]);
  expect(await volumes.remove("copy")).toEqual(copy);
  expect(await volumes.prune({ all: true })).toEqual([data]);
  await expect(volumes.get("../machines")).rejects.toMatchObject({ code: "INVALID_REQUEST" });
  await expect(volumes.export("data")).rejects.toMatchObject({ code: "VOLUME_NOT_FOUND" });
});

it("a machine is removed with its volumes when that is asked for", async () => {
  await using open = await openDoor();
  using isthmus = new Isthmus({ socketPath: open.socketPath });
  await isthmus.machines.create({ image: "busybox", name: "web", mounts: [{ type: "volume", path: "/data" }] }, { start: false });
  await isthmus.machines.remove("web", { volumes: true });
  expect(open.deps.machines.removals).toEqual([{ force: false, volumes: true }]);
});
