import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { GroupEntry, MachineGroups } from "@isthmus/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { QEMU_PROGRAM, RETIRED_SERVERS_MAX, VMM_NICENESS } from "../config.ts";
import { ForkServer } from "./fork-server.ts";
import type { VmmCommand } from "./net-namespace.ts";
import { processArguments, processStatus } from "./proc.ts";
import { Spawner } from "./spawner.ts";
import { type VmmProcess, vmmWords } from "./vmm-process.ts";

const agentPath = join(import.meta.dirname, "../../../../../guest/agent/build/isthmus-agent");
const library = join(agentPath, "../isthmus-fork.so");
/** a QEMU with nothing to do */
const IDLE = [QEMU_PROGRAM, "-machine", "none", "-display", "none", "-nodefaults", "-S"] as const;

let folder: string;
let said: string[];
let spawner: Spawner;
const vmms: VmmProcess[] = [];

const spawnerOf = (more: Partial<ConstructorParameters<typeof Spawner>[0]> = {}) =>
  new Spawner({ agentPath, forks: true, log: (message) => void said.push(message), ...more });
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-test-"));
  said = [];
  spawner = spawnerOf();
});
afterEach(async () => {
  await spawner.close();
  for (const vmm of vmms.splice(0)) await vmm.kill();
  rmSync(folder, { recursive: true });
});

async function start(words: VmmCommand["words"], more: Partial<VmmCommand> = {}): Promise<VmmProcess> {
  const vmm = await spawner.spawn({ words, folder, network: "none", ...more });
  vmms.push(vmm);
  return vmm;
}
const parentOf = (pid: number) => Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
/** where the C library is mapped */
const libraryOf = (pid: number) => /^(\w+)-.* \/\S*libc\.so/m.exec(readFileSync(`/proc/${pid}/maps`, "utf8"))?.[1];
const namespacesOf = (pid: number) =>
  new Set(readdirSync(`/proc/${pid}/task`).map((task) => readlinkSync(`/proc/${pid}/task/${task}/ns/net`)));
function heapOf(pid: number): Buffer {
  const [, from = "", to = ""] = /^(\w+)-(\w+) .*\[heap\]$/m.exec(readFileSync(`/proc/${pid}/maps`, "utf8")) ?? [];
  const heap = Buffer.alloc(Number.parseInt(to, 16) - Number.parseInt(from, 16));
  const memory = openSync(`/proc/${pid}/mem`, "r");
  readSync(memory, heap, 0, heap.length, Number.parseInt(from, 16));
  closeSync(memory);
  return heap;
}
/** the VMMs in the folder, without waiting */
const working = () =>
  readdirSync("/proc").flatMap((name) => {
    try {
      const idle = readFileSync(`/proc/${name}/cmdline`, "utf8").includes("\0-machine\0none\0");
      return /^\d+$/.test(name) && idle && readlinkSync(`/proc/${name}/cwd`) === folder ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
const gone = (pid: number) => expect.poll(() => processStatus(pid), { interval: 20 }).toBeUndefined();

describe("a forked VMM", () => {
  it("is what it would be if it had been executed: arguments, folder, session, niceness, environment", async () => {
    const words = [...IDLE, "-name", "a b,debug-threads=off,guest=ü"] as const;
    const { pid, startTime } = await start(words);
    expect((await processArguments(pid))?.slice(0, words.length)).toEqual(words);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe(folder);
    expect(processStatus(pid)?.startTime).toBe(startTime);
    expect(getPriority(pid)).toBe(getPriority() + VMM_NICENESS);
    expect(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[3]).toBe(String(pid));
    expect(parentOf(parentOf(pid))).toBe(process.pid);
    expect(namespacesOf(pid)).toEqual(new Set([readlinkSync("/proc/self/ns/net")]));
  });

  it("has its words in its folder, and its end is known", async () => {
    const state = join(folder, "state");
    writeFileSync(state, "saved");
    const vmm = await start([QEMU_PROGRAM, "-version"], { statePath: state });
    expect(await vmm.ended).toEqual({ status: "exit status 0" });
    expect(await vmmWords(folder)).toContain("QEMU emulator version");
    const another = await start(IDLE, { statePath: state });
    expect(readlinkSync(`/proc/${another.pid}/fd/3`)).toBe(state);
    await another.kill();
    expect(await another.ended).toEqual({ status: "signal SIGKILL" });
  });

  it("takes arguments that are longer than the room that ps looks in", async () => {
    const long = "x".repeat(60_000);
    const { pid } = await start([...IDLE, "-name", long]);
    expect((await processArguments(pid))?.slice(0, IDLE.length)).toEqual(IDLE);
    await expect.poll(() => readdirSync(`/proc/${pid}/task`).length).toBeGreaterThan(1);
  });

  it("is in its group before it begins, and a group that refuses it is told", async () => {
    const file = join(folder, "cgroup.procs");
    writeFileSync(file, "");
    const told: unknown[] = [];
    const entry: GroupEntry = {
      files: [file, join(folder, "none", "cgroup.procs")],
      entered: (_, refused) => void told.push(...refused),
      discard: () => void told.push("discarded"),
    };
    await spawner.close();
    const groups: Partial<MachineGroups> = { open: () => entry, leave: () => void told.push("left") };
    spawner = spawnerOf({ groups: groups as MachineGroups });
    await (await start([QEMU_PROGRAM, "-version"])).ended;
    expect(readFileSync(file, "utf8")).toBe("0");
    await expect.poll(() => told).toEqual([undefined, "No such file or directory", "left"]);
    await expect(start(IDLE, { folder: join(folder, "missing") })).rejects.toMatchObject({
      code: "HOST_COMMAND_FAILED",
      message: expect.stringContaining(`${join(folder, "missing")}: No such file`),
    });
    expect(told.at(-1)).toBe("discarded");
  });

  it.skipIf(process.getuid?.() !== 0)("has nothing in its memory of what others were started with", async () => {
    const other = "of another tenant ".repeat(2_000);
    await (await start([QEMU_PROGRAM, "-name", other, "-version"])).ended;
    const { pid } = await start([...IDLE, "-name", "present of this tenant"]);
    const heap = heapOf(pid);
    expect([heap.includes("of this tenant"), heap.includes("another tenant")]).toEqual([true, false]);
  });

  it.skipIf(process.getuid?.() !== 0)("is in its network's namespace with every thread", async () => {
    const { pid } = await start(IDLE, { network: "bridge" });
    await expect.poll(() => readdirSync(`/proc/${pid}/task`).length).toBeGreaterThan(1);
    const namespaces = namespacesOf(pid);
    expect([namespaces.size, namespaces.has(readlinkSync("/proc/self/ns/net"))]).toEqual([1, false]);
  });
});

describe("a fork server", () => {
  it("that is killed takes no VMM along; their ends are noticed, and there is another one", async () => {
    const vmm = await start(IDLE);
    const server = parentOf(vmm.pid);
    process.kill(server, "SIGKILL");
    await gone(server);
    expect(processStatus(vmm.pid)?.startTime).toBe(vmm.startTime);
    const another = await start(IDLE);
    expect(parentOf(parentOf(another.pid))).toBe(process.pid);
    await vmm.kill();
    expect(await vmm.ended).toEqual({});
  });

  it("is followed by another with another layout of the address space, and ends with the last of its VMMs", async () => {
    await spawner.close();
    spawner = spawnerOf({ forksOfOneServer: 2 });
    const servers = new Map<number, VmmProcess[]>();
    while (servers.size < 3) {
      const vmm = await start(IDLE);
      servers.set(parentOf(vmm.pid), [...(servers.get(parentOf(vmm.pid)) ?? []), vmm]);
    }
    const forks = [...servers.values()];
    const layouts = forks.map((of) => new Set(of.map(({ pid }) => libraryOf(pid))));
    expect(layouts.map(({ size }) => size)).toEqual([1, 1, 1]);
    expect(new Set(layouts.flatMap((of) => [...of])).size).toBe(3);
    expect(forks.every((of) => of.length >= 2 || of === forks.at(-1))).toBe(true);
    const [[first, ended] = [0, []]] = servers;
    expect(processStatus(first)).toBeDefined();
    for (const vmm of ended) await vmm.kill();
    expect(await Promise.all(ended.map((vmm) => vmm.ended))).toEqual(ended.map(() => ({ status: "signal SIGKILL" })));
    await gone(first);
    expect(said).toEqual([]);
  });

  it("that was followed is given up when too many are kept, and the ends of its VMMs are noticed", async () => {
    await spawner.close();
    spawner = spawnerOf({ forksOfOneServer: 1 });
    const first = await start(IDLE);
    const server = parentOf(first.pid);
    const parents = new Set<number>();
    while (processStatus(server) !== undefined) parents.add(parentOf((await start(IDLE)).pid));
    // One that forks, and those that are kept.
    await expect.poll(() => [...parents].filter((pid) => processStatus(pid)).length).toBeLessThanOrEqual(RETIRED_SERVERS_MAX + 1);
    expect(processStatus(first.pid)).toBeDefined();
    await first.kill();
    // How it ended its server would have known.
    expect(await first.ended).toEqual({});
  });

  it("ends with who started it, and VMMs go on", async () => {
    const vmm = await start(IDLE);
    const server = parentOf(vmm.pid);
    await spawner.close();
    await gone(server);
    expect(processStatus(vmm.pid)?.startTime).toBe(vmm.startTime);
  });

  it("that is stopped keeps no end of a VMM secret", async () => {
    const [killed, ending] = [await start(IDLE), await start(IDLE)];
    process.kill(parentOf(killed.pid), "SIGSTOP");
    process.kill(ending.pid, "SIGKILL");
    ending.expectEnd();
    await killed.kill();
    expect(await Promise.all([killed.ended, ending.ended])).toEqual([{}, {}]);
  });

  it("that is given up after it forked leaves no second VMM in the folder", async () => {
    await (await start([QEMU_PROGRAM, "-version"])).ended;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const starting = start(IDLE);
    try {
      // As when this program is stopped for so long: the deadline passes before it reads that the VMM is there.
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      for (const until = Date.now() + 10_000; working().length === 0 && Date.now() < until; );
      vi.advanceTimersByTime(30_000);
    } finally {
      vi.useRealTimers();
    }
    const { pid } = await starting;
    expect(said).toEqual(["the fork server was lost"]);
    expect(working()).toEqual([pid]);
  });

  it("that does not answer is replaced by starting the VMM itself", async () => {
    const vmm = await start(IDLE);
    process.kill(parentOf(vmm.pid), "SIGSTOP");
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const starting = start(IDLE);
      await vi.waitFor(async () => {
        await vi.advanceTimersByTimeAsync(30_000);
        expect(said).toEqual(["the fork server was lost"]);
      }, 10_000);
      expect(parentOf((await starting).pid)).toBe(process.pid);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is not needed: where QEMU does not take the library, or it is not wanted, each VMM is started by itself", async () => {
    writeFileSync(join(folder, "isthmus-fork.so"), "no library");
    for (const [options, words] of [
      [{ agentPath: join(folder, "isthmus-agent") }, ["there is no fork server: each engine process is started by itself"]],
      [{ forks: false }, []],
      [{ agentPath: "/nowhere/isthmus-agent" }, []],
    ] as const) {
      said = [];
      const other = spawnerOf(options);
      for (const _ of [1, 2]) {
        const vmm = await other.spawn({ words: IDLE, folder, network: "none" });
        vmms.push(vmm);
        expect(parentOf(vmm.pid)).toBe(process.pid);
      }
      expect(said).toEqual(words);
    }
  });

  it("is of no use any more when its program was replaced", async () => {
    const program = join(folder, QEMU_PROGRAM);
    copyFileSync(`/usr/bin/${QEMU_PROGRAM}`, program);
    chmodSync(program, 0o755);
    const server = await ForkServer.start(program, library);
    try {
      expect(server.usable).toBe(true);
      copyFileSync(program, `${program}.new`);
      renameSync(`${program}.new`, program);
      expect(server.usable).toBe(false);
    } finally {
      server.close();
    }
  });
});
