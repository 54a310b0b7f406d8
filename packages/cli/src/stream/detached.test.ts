import type { MachineState } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { runCli } from "../cli.ts";
import { type FakeDaemon, failure, fakeDaemon, machine } from "../testing/fake-daemon.ts";
import { cli, testWorld } from "../testing/test-world.ts";

const ID = machine().id;
const place = { position: 2, ahead: 1, waitedMs: 900, cause: "start-slots", text: "place 2 (1 ahead)" };

/** A daemon whose one machine waits to be let in until it is stopped, or is refused at once. */
function busy(refused: boolean): Promise<FakeDaemon> {
  let state: MachineState = "requested";
  const stopped = Promise.withResolvers<void>();
  return fakeDaemon(async ({ method, path }) => {
    if (path === "/machines") return { status: 201, json: machine({ state: "requested" }) };
    if (path.endsWith("/why")) return { json: { id: ID, name: "web", state: "queued", summary: "", reasons: [], place } };
    if (path.endsWith("/start")) {
      state = "refused";
      if (refused) return failure("NO_CAPACITY", "this host has no room", 507);
      state = "exited";
      await stopped.promise;
      return failure("CANCELLED", "the start was called off", 409);
    }
    if (path.endsWith("/stop")) stopped.resolve();
    if (method === "GET" || path.endsWith("/stop")) return { json: machine({ state }) };
    return method === "DELETE" ? { json: {} } : undefined;
  });
}

const removals = ({ seen }: FakeDaemon) => seen.filter(({ method }) => method === "DELETE").length;

describe("run -d", () => {
  it("leaves nothing of a machine that was not let in, so that it can be tried again", async () => {
    await using daemon = await busy(true);
    const { code, out, err } = await cli(["run", "-d", "--name", "web", "busybox"], daemon);
    expect([code, out, err]).toEqual([125, "", expect.stringContaining("this host has no room")]);
    expect(removals(daemon)).toBe(1);
  });

  it.each([
    [[], 0],
    [["--rm"], 1],
  ])("tells its place in the queue, and Ctrl-C calls it off (%j)", async (flags, removed) => {
    await using daemon = await busy(false);
    const world = testWorld({ socketPath: daemon.socketPath, terminal: { columns: 80, rows: 24 } });
    const done = runCli(["run", "-d", ...flags, "busybox"], world);
    await expect.poll(() => world.err()).toContain("waiting: place 2 (1 ahead)");
    world.raise("SIGINT");
    expect([await done, world.out(), removals(daemon)]).toEqual([130, "", removed]);
  });
});
