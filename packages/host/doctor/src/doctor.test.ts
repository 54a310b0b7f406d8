import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { IsthmusError } from "@isthmus/contract";
import type { AcceleratorVerdict } from "@isthmus/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createDoctor, type DoctorProbes, Surroundings } from "./mod.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "isthmus-doctor-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const verdict: AcceleratorVerdict = {
  accelerator: "tcg",
  machineType: "microvm",
  reason: "a guest hangs with kvm",
  probedAt: "2026-01-01T00:00:00Z",
};
const missing = () => Promise.reject(new IsthmusError("KERNEL_NOT_FOUND"));
const probes: DoctorProbes = {
  home: "/data",
  socketPath: "/run/isthmus/isthmus.sock",
  agentPath: "/lib/isthmus-agent",
  uid: 1000,
  kernels: { resolve: missing, list: async () => [], fetch: missing, build: missing },
  accelerator: async () => verdict,
  sqliteVersion: () => "3.53.4",
};

function present(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** The head of an ELF program for x86-64. */
const program = `\u007fELF${"\0".repeat(14)}\u003e\0`;

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL");
  return database;
}

const report = async () => (await createDoctor(probes, new Surroundings(root)).report()).findings;

async function levels(over: Partial<DoctorProbes> = {}, path?: string): Promise<Record<string, string>> {
  const { findings } = await createDoctor({ ...probes, ...over }, new Surroundings(root, path)).report();
  for (const { level, remedy, id } of findings)
    expect(`${id} ${level === "ok" ? "" : remedy.length > 10}`).toBe(`${id} ${level === "ok" ? "" : true}`);
  return Object.fromEntries(findings.map(({ id, level }) => [id, level]));
}

describe("isthmus doctor", () => {
  it("looks at this host without fault", async () => {
    openDatabase(join(root, "isthmus.db")).close();
    present({ "isthmus.sock": "", "isthmus-agent": program, "isthmus-task": program });
    for (const [name, mode] of [
      ["", 0o700],
      ["isthmus.sock", 0o600],
    ] as const)
      chmodSync(join(root, name), mode);
    const { findings, ok } = await createDoctor({
      ...probes,
      uid: process.getuid?.() ?? 0,
      home: root,
      socketPath: join(root, "isthmus.sock"),
      agentPath: join(root, "isthmus-agent"),
      kernels: { ...probes.kernels, resolve: async () => ({ kernelPath: "/k", initramfsPath: "/i", version: "6.1", digest: "d" }) },
    }).report();
    expect(findings.map(({ id }) => id)).toEqual(
      expect.arrayContaining([
        "accelerator",
        "kernel",
        "agent",
        "qemu",
        "sqlite",
        "data-owner",
        "socket-owner",
        "cgroup-use",
        "psi",
        "memory",
      ]),
    );
    expect(new Set(findings.map(({ id }) => id)).size).toBe(findings.length);
    expect(ok).toBe(true);
  });

  it("calls missing programs, kernel and folder errors, each with a remedy", async () => {
    const found = await levels({}, "/nowhere");
    expect(found).toMatchObject({ qemu: "error", "squashfs-tools": "error", e2fsprogs: "error", kernel: "error", "data-folder": "error" });
  });

  it("tells why no guest boots", async () => {
    expect(await levels({ accelerator: () => Promise.reject(new IsthmusError("NO_ACCELERATOR", { reason: "all hang" })) })).toMatchObject({
      accelerator: "error",
    });
    expect(await levels({ accelerator: async () => ({ ...verdict, accelerator: "kvm", reason: "" }) })).toMatchObject({
      accelerator: "ok",
    });
    expect(await levels()).toMatchObject({ accelerator: "note" });
  });

  it.each([
    ["v2", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0", "ok"],
    ["v1", "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0", "note"],
    ["hybrid", "cgroup /c/memory cgroup rw,memory 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0", "note"],
    ["none", "proc /proc proc rw 0 0", "warning"],
  ])("knows cgroups of form %s", async (_form, mounts, level) => {
    present({ "proc/self/mounts": mounts, "sys/fs/cgroup/cgroup.controllers": "cpu memory io pids\n" });
    expect((await levels()).cgroup).toBe(level);
  });

  it("says which cgroup controllers the daemon could use, and why not the others", async () => {
    expect((await levels())["cgroup-use"]).toBe("warning");
    const own = "sys/fs/cgroup/system.slice/isthmus.service";
    present({
      "proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
      "proc/self/cgroup": "0::/system.slice/isthmus.service\n",
      [`${own}/cgroup.controllers`]: "cpu memory pids\n",
      [`${own}/cgroup.subtree_control`]: "",
      [`${own}/cgroup.procs`]: "",
    });
    const use = async () => (await report()).find(({ id }) => id === "cgroup-use");
    expect(await use()).toMatchObject({
      level: "warning",
      detail: expect.stringMatching(/^usable: cpu memory pids; io: it is not given to /),
    });
    present({ [`${own}/cgroup.controllers`]: "cpu io memory pids\n" });
    expect(await use()).toMatchObject({ level: "ok", detail: "usable: cpu memory io pids" });
    rmSync(join(root, own, "cgroup.procs"));
    expect(await use()).toMatchObject({
      level: "warning",
      detail: expect.stringMatching(/^usable: none; cpu: .*cgroup.procs cannot be written/),
    });
    present({
      "proc/self/mounts":
        "cgroup /c/cpu cgroup rw,cpu,cpuacct 0 0\ncgroup /c/blkio cgroup rw,blkio 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
      "proc/self/cgroup": "2:cpu,cpuacct:/one\n1:blkio:/two\n0::/system.slice/isthmus.service\n",
      "c/cpu/one/cgroup.procs": "",
      "c/blkio/cgroup.procs": "",
      [`${own}/cgroup.procs`]: "",
      [`${own}/cgroup.controllers`]: "pids\n",
    });
    expect((await use())?.detail).toMatch(/^usable: cpu io pids; memory: it is not given to /);
  });

  it("finds a store that is damaged, missing or no database", async () => {
    expect(await levels()).toMatchObject({ sqlite: "error" });
    present({ "data/x": "" });
    const path = join(root, "data/isthmus.db");
    const database = openDatabase(path);
    database.exec("CREATE TABLE t (a TEXT, b TEXT); CREATE INDEX i ON t (a)");
    for (let n = 0; n < 2000; n += 1) database.prepare("INSERT INTO t VALUES (?, ?)").run(`key ${n}`, "x".repeat(50));
    expect((await levels()).sqlite).toBe("ok");
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.concat([bytes.subarray(0, 8192), Buffer.alloc(8192, 0xff), bytes.subarray(16_384)]));
    expect((await levels()).sqlite).toBe("error");
    writeFileSync(path, "not a database at all".repeat(100));
    expect((await levels()).sqlite).toBe("error");
  });

  it("looks at the agent by itself", async () => {
    expect((await levels()).agent).toBe("error");
    present({ "lib/isthmus-agent": program, "lib/isthmus-task": program });
    expect((await levels()).agent).toBe("ok");
    present({ "lib/isthmus-task": "#!/bin/sh\n" });
    expect((await levels()).agent).toBe("error");
  });

  it("tells who else gets at the data folder and the socket", async () => {
    const uid = process.getuid?.() ?? 0;
    const owned = async (over: Partial<DoctorProbes> = {}) => {
      const found = await levels({ uid, ...over });
      return [found["data-owner"], found["socket-owner"]];
    };
    expect(await owned()).toEqual(["error", "error"]);
    present({ "data/x": "", "run/isthmus/isthmus.sock": "" });
    const mode = (path: string, bits: number) => chmodSync(join(root, path), bits);
    mode("data", 0o700);
    mode("run/isthmus", 0o755);
    mode("run/isthmus/isthmus.sock", 0o600);
    expect(await owned()).toEqual(["ok", "ok"]);
    mode("data", 0o750);
    mode("run/isthmus/isthmus.sock", 0o660);
    expect(await owned()).toEqual(["warning", "error"]);
    mode("run/isthmus/isthmus.sock", 0o600);
    mode("run/isthmus", 0o777);
    expect(await owned()).toEqual(["warning", "error"]);
    expect((await owned({ uid: uid + 1 }))[0]).toBe("error");
  });

  it("believes an earlier verdict on the accelerator unless it is told to probe", async () => {
    const asked: boolean[] = [];
    const accelerator = async (anew: boolean) => {
      asked.push(anew);
      return verdict;
    };
    const doctor = createDoctor({ ...probes, accelerator }, new Surroundings(root));
    await doctor.report();
    await doctor.report({ probe: true });
    expect(asked).toEqual([false, true]);
  });

  it("measures pressure, limits and memory", async () => {
    expect(await levels()).toMatchObject({
      psi: "note",
      "open-files": "warning",
      processes: "warning",
      memory: "warning",
      "kvm-device": "note",
    });
    const psi = "some avg10=1.50 avg60=0 avg300=0 total=1\n";
    present({
      "proc/pressure/cpu": psi,
      "proc/pressure/memory": psi,
      "proc/pressure/io": psi,
      "proc/self/limits": "Max open files            1048576              1048576              files\n",
      "proc/sys/kernel/pid_max": "4194304\n",
      "proc/sys/kernel/threads-max": "100000\n",
      "proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 7000000 kB\nSwapTotal: 0 kB\n",
      "proc/sys/vm/overcommit_memory": "0\n",
      "dev/kvm": "",
      "data/x": "",
    });
    const good = await levels();
    expect(good).toMatchObject({ psi: "ok", "open-files": "ok", processes: "ok", memory: "ok", "kvm-device": "ok" });
    present({ "proc/sys/vm/overcommit_memory": "2\n" });
    expect((await levels()).memory).toBe("warning");
  });
});
