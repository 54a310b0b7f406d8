import { setTimeout as sleep } from "node:timers/promises";
import { Isthmus } from "@isthmus/sdk";
import { expect, it } from "vitest";
import { Context } from "../context.ts";
import { fakeDaemon } from "../testing/fake-daemon.ts";
import { testWorld } from "../testing/test-world.ts";
import { showQueuePlace } from "./queue-view.ts";

const place = { position: 3, ahead: 2, waitedMs: 900, cause: "start-slots", text: "place 3 (2 ahead)" };

/** A machine that stands in these places, one after the other, then in the last. */
async function waiting(places: readonly object[]) {
  let looks = 0;
  const fake = await fakeDaemon(({ path }) => {
    if (path !== "/machines/m/why") return undefined;
    looks += 1;
    return { json: { id: "m", name: "m", state: "queued", summary: "", reasons: [], place: places[looks - 1] ?? places.at(-1) } };
  });
  const isthmus = new Isthmus({ socketPath: fake.socketPath });
  return {
    handle: isthmus.machines.handle("m"),
    looks: () => looks,
    async [Symbol.asyncDispose]() {
      isthmus.close();
      await fake[Symbol.asyncDispose]();
    },
  };
}

it("a start that waits tells its place on a terminal, and leaves no line", async () => {
  await using machine = await waiting([place]);
  const world = testWorld({ terminal: { columns: 80, rows: 24 } });
  const hide = showQueuePlace(new Context(world), machine.handle);
  while (!world.err().includes("waiting: place 3 (2 ahead)")) await sleep(20);
  hide();
  const before = world.err();
  await sleep(700);
  expect(world.err()).toBe(before);
  expect(before.endsWith("\u001b[2K")).toBe(true);
});

it("elsewhere tells it once, and again when it waits for something else", async () => {
  const nearer = { ...place, position: 2, ahead: 1, text: "place 2 (1 ahead)" };
  const shortage = { limit: "memory", needed: 2, used: 1, max: 2, unit: "bytes", kind: "capacity", permanent: false };
  const first = { ...nearer, position: 1, ahead: 0, cause: "limit", shortage, text: "place 1 (0 ahead): memory\u0007" };
  await using machine = await waiting([place, nearer, first]);
  const world = testWorld();
  const hide = showQueuePlace(new Context(world), machine.handle);
  while (machine.looks() < 4) await sleep(20);
  hide();
  expect(world.err()).toBe("waiting: place 3 (2 ahead)\nwaiting: place 1 (0 ahead): memory\\x07\n");
});

it("is not asked for where nothing but JSON is wanted", async () => {
  await using machine = await waiting([place]);
  const [world, asked] = [testWorld(), testWorld()];
  const context = new Context(world);
  context.json = true;
  const hides = [showQueuePlace(context, machine.handle), showQueuePlace(new Context(asked), machine.handle)];
  while (asked.err() === "") await sleep(20);
  for (const hide of hides) hide();
  expect([machine.looks(), world.err()]).toEqual([1, ""]);
});
