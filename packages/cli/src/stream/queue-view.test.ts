import { setTimeout as sleep } from "node:timers/promises";
import { Isthmus } from "@isthmus/sdk";
import { expect, it } from "vitest";
import { Context } from "../context.ts";
import { fakeDaemon } from "../testing/fake-daemon.ts";
import { testWorld } from "../testing/test-world.ts";
import { showQueuePlace } from "./queue-view.ts";

const place = { position: 3, ahead: 2, waitedMs: 900, cause: "start-slots", text: "place 3 (2 ahead)" };

it.each([
  ["a terminal", { columns: 80, rows: 24 }, true],
  ["anything else", undefined, false],
])("a start that waits tells its place on %s, and leaves no line", async (_what, terminal, shown) => {
  await using fake = await fakeDaemon(({ path }) =>
    path === "/machines/m/why" ? { json: { id: "m", name: "m", state: "queued", summary: "", reasons: [], place } } : undefined,
  );
  const world = testWorld({ socketPath: fake.socketPath, terminal });
  const isthmus = new Isthmus({ socketPath: fake.socketPath });
  const hide = showQueuePlace(new Context(world), isthmus.machines.handle("m"));
  while (shown && !world.err().includes("waiting: place 3 (2 ahead)")) await sleep(20);
  hide();
  const before = world.err();
  await sleep(700);
  expect(world.err()).toBe(before);
  expect(before === "").toBe(!shown);
  if (shown) expect(before.endsWith("\u001b[2K")).toBe(true);
  isthmus.close();
});
