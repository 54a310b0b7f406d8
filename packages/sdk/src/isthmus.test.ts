import { Readable } from "node:stream";
import { hasCode, IsthmusError } from "@isthmus/contract";
import { openDoor } from "@isthmus/door-http/testing";
import { describe, expect, it } from "vitest";
import { Isthmus } from "./mod.ts";

async function setUp() {
  const open = await openDoor();
  const isthmus = new Isthmus({ socketPath: open.socketPath });
  return {
    ...open,
    isthmus,
    async [Symbol.asyncDispose]() {
      isthmus.close();
      await open[Symbol.asyncDispose]();
    },
  };
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (error: unknown) => (error instanceof IsthmusError ? error.code : String(error)),
  );

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe("Isthmus", () => {
  it("renames a machine, and filters machines and events", async () => {
    await using t = await setUp();
    await t.isthmus.machines.create({ image: "x", name: "a" });
    await t.isthmus.machines.create({ image: "x", name: "b" });
    expect((await t.isthmus.machines.rename("a", "c")).name).toBe("c");
    const found = await all(t.isthmus.machines.list({ all: true, names: ["b", "c"], exitCodes: [], ids: [], ancestors: [], volumes: [] }));
    expect(found.map(({ name }) => name).toSorted()).toEqual(["b", "c"]);
    const filters = { kinds: ["machine"], types: ["created"], images: ["x"], labels: [], until: new Date() };
    expect(await all(t.isthmus.events(filters))).toHaveLength(2);
  });

  it("tells the version, health, and what the doctor found", async () => {
    await using t = await setUp();
    expect((await t.isthmus.version()).api).toBe("v1");
    await t.isthmus.health();
    expect((await t.isthmus.doctor()).ok).toBe(true);
  });

  it("says that no daemon answers, with the way to start one", async () => {
    const isthmus = new Isthmus({ socketPath: "/nonexistent/isthmus.sock" });
    const error = await isthmus.version().catch((cause: unknown) => cause);
    expect(hasCode(error, "DAEMON_UNREACHABLE") && error.message).toContain("there is no such socket");
    expect(hasCode(error, "DAEMON_UNREACHABLE") && error.remedy).toContain("isthmus daemon start");
    expect(await codeOf(isthmus.machines.handle("m").exec(["true"]))).toBe("DAEMON_UNREACHABLE");
  });

  it("throws the daemon's own error with its details", async () => {
    await using t = await setUp();
    const error = await t.isthmus.machines.get("nothing-of-this-name").catch((cause: unknown) => cause);
    expect(hasCode(error, "MACHINE_NOT_FOUND") && error.details.ref).toBe("nothing-of-this-name");
    expect(await codeOf(t.isthmus.machines.create(JSON.parse('{"image":"x","imgae":"y"}')))).toBe("UNKNOWN_FIELD");
  });

  it("runs a machine and removes it when its scope ends", async () => {
    await using t = await setUp();
    {
      await using machine = await t.isthmus.machines.run({ image: "busybox", name: "short" });
      expect(machine.name).toBe("short");
      expect((await t.isthmus.machines.get("short")).state).toBe("running");
    }
    expect(t.deps.machines.entries.size).toBe(0);
  });

  it("leaves a scope quietly when the machine ended and went by itself", async () => {
    await using t = await setUp();
    await using machine = await t.isthmus.machines.run({ image: "busybox" });
    await t.deps.machines.remove(machine.id, { force: true });
  });

  it("lists over as many pages as there are", async () => {
    await using t = await setUp();
    for (let index = 0; index < 450; index += 1) await t.deps.machines.create({ image: "busybox", labels: { third: String(index % 3) } });
    expect(await all(t.isthmus.machines.list())).toHaveLength(0);
    expect(await all(t.isthmus.machines.list({ all: true }))).toHaveLength(450);
    expect(await all(t.isthmus.machines.list({ all: true, labels: ["third=1"] }))).toHaveLength(150);
    expect(await all(t.isthmus.machines.list({ states: ["exited", "failed"] }))).toHaveLength(0);
  });

  it("starts, pauses, unpauses, stops and waits", async () => {
    await using t = await setUp();
    const { id } = await t.isthmus.machines.create({ image: "busybox" }, { start: false });
    const machine = t.isthmus.machines.handle(id);
    expect((await machine.start()).state).toBe("running");
    expect((await machine.pause()).state).toBe("paused");
    expect((await machine.unpause()).state).toBe("running");
    expect((await machine.stats()).id).toBe(id);
    const waiting = machine.wait();
    expect((await machine.stop({ timeoutMs: 5, stopSignal: "INT" })).state).toBe("exited");
    expect(t.deps.machines.stopped[0]).toMatchObject({ timeoutMs: 5, stopSignal: "INT" });
    expect(await waiting).toEqual({ code: 143, signal: 15 });
    expect(await codeOf(machine.pause())).toBe("STATE_CONFLICT");
  });

  it("makes one machine of two calls with the same key", async () => {
    await using t = await setUp();
    const first = await t.isthmus.machines.create({ image: "busybox" }, { idempotencyKey: "k1" });
    expect((await t.isthmus.machines.create({ image: "busybox" }, { idempotencyKey: "k1" })).id).toBe(first.id);
  });

  it("ends a call whose signal is aborted, and the daemon hears of it", async () => {
    await using t = await setUp();
    const { id } = await t.isthmus.machines.create({ image: "busybox" });
    const abort = new AbortController();
    const waiting = codeOf(t.isthmus.machines.wait(id, { signal: abort.signal }));
    await expect.poll(() => t.deps.machines.signals.length).toBe(2);
    abort.abort();
    expect(await waiting).toBe("CANCELLED");
    await expect.poll(() => t.deps.machines.signals[1]?.aborted).toBe(true);
    expect(await codeOf(t.isthmus.version({ signal: AbortSignal.abort() }))).toBe("CANCELLED");
  });

  it("serves images with progress and refuses bad ones with the reason", async () => {
    await using t = await setUp();
    const steps: string[] = [];
    const image = await t.isthmus.images.import(Readable.from([Buffer.alloc(100_000), Buffer.alloc(100_000)]), {
      ref: "mine:1",
      command: ["sh", "-c", "echo a=b & c"],
      onProgress: ({ step }) => steps.push(step),
    });
    expect(image).toMatchObject({ sizeBytes: 200_000, tags: ["mine:1"] });
    expect(image).not.toHaveProperty("rootfsPath");
    expect(steps).toContain("unpack");
    expect(await codeOf(t.isthmus.images.import(Readable.from([Buffer.from("bad")]), { ref: "x" }))).toBe("BAD_IMAGE");
    expect(await t.isthmus.images.load(Readable.from([Buffer.from("fine")]))).toHaveLength(1);
    expect(await t.isthmus.images.inspect("mine:1")).not.toHaveProperty("rootfsPath");
    await t.isthmus.images.tag("mine:1", "other:1");
    expect(await t.isthmus.images.remove("mine:1")).toMatchObject({ untagged: ["mine:1"] });
    expect(await t.isthmus.images.list()).toHaveLength(2);
  });

  it("tells why an upload was refused although most of it was never read", async () => {
    await using t = await setUp();
    const big = Readable.from(
      (function* () {
        yield Buffer.from("bad");
        for (let index = 0; index < 2000; index += 1) yield Buffer.alloc(65_536);
      })(),
    );
    expect(await codeOf(t.isthmus.images.import(big, { ref: "x" }))).toBe("BAD_IMAGE");
    await t.isthmus.health();
  });

  it("fetches a kernel with progress and throws what ends a build", async () => {
    await using t = await setUp();
    const steps: string[] = [];
    const onProgress = ({ step }: { step: string }) => steps.push(step);
    expect((await t.isthmus.kernels.fetch({ onProgress })).version).toBe("6.1");
    expect(steps).toEqual(["download", "unpack"]);
    expect(await codeOf(t.isthmus.kernels.build())).toBe("KERNEL_BUILD_FAILED");
    expect(await t.isthmus.kernels.list()).toHaveLength(1);
  });

  it("copies archives both ways byte for byte", async () => {
    await using t = await setUp();
    const machine = await t.isthmus.machines.run({ image: "busybox" });
    const bytes = Buffer.alloc(3_000_000, "isthmus");
    await machine.putArchive("/data", Readable.from([bytes.subarray(0, 1_000_001), bytes.subarray(1_000_001)]));
    expect(t.deps.machines.archives.get("/data")?.equals(bytes)).toBe(true);
    const back = Buffer.concat(await all<Buffer>(await machine.getArchive("/data")));
    expect(back.equals(bytes)).toBe(true);
    expect(await machine.statPath("/data")).toMatchObject({ type: "directory", size: 3_000_000 });
    expect(await codeOf(machine.getArchive("/missing"))).toBe("PATH_NOT_FOUND");
    await expect(machine.statPath("/missing")).rejects.toMatchObject({
      remedy: expect.stringMatching(/isthmus exec \S+ mkdir -p FOLDER$/),
    });
    expect(await codeOf(machine.putArchive("/missing", Readable.from([bytes])))).toBe("PATH_NOT_FOUND");
    expect(await codeOf(machine.putArchive("/refused", Readable.from([bytes, bytes, bytes])))).toBe("BAD_ARCHIVE");
  });

  it("follows events until the loop is left", async () => {
    await using t = await setUp();
    await t.isthmus.machines.create({ image: "busybox" });
    await t.isthmus.machines.create({ image: "busybox" });
    expect((await all(t.isthmus.events({ after: 1 }))).map((event) => event.seq)).toEqual([2]);
    for await (const event of t.isthmus.events({ follow: true, after: 1 })) {
      expect(event.type).toBe("machine.created");
      break;
    }
    await expect.poll(() => t.deps.machines.signals.at(-1)?.aborted).toBe(true);
  });

  it("goes on after its idle connection was closed by the daemon", async () => {
    await using t = await setUp();
    await t.isthmus.version();
    t.door.app.server.closeIdleConnections();
    await t.isthmus.version();
  });
});
