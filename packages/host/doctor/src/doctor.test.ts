import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
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

async function levels(over: Partial<DoctorProbes> = {}, path?: string): Promise<Record<string, string>> {
  const { findings } = await createDoctor({ ...probes, ...over }, new Surroundings(root, path)).report();
  for (const { level, remedy, id } of findings)
    expect(`${id} ${level === "ok" ? "" : remedy.length > 10}`).toBe(`${id} ${level === "ok" ? "" : true}`);
  return Object.fromEntries(findings.map(({ id, level }) => [id, level]));
}

describe("isthmus doctor", () => {
  it("looks at this host without fault", async () => {
    const { findings, ok } = await createDoctor({
      ...probes,
      home: "/tmp",
      kernels: { ...probes.kernels, resolve: async () => ({ kernelPath: "/k", initramfsPath: "/i", version: "6.1", digest: "d" }) },
    }).report();
    expect(findings.map(({ id }) => id)).toEqual(
      expect.arrayContaining(["accelerator", "kernel", "qemu", "cgroup", "psi", "open-files", "memory"]),
    );
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
