import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StartPlan } from "@isthmus/core";
import { describe, expect, it } from "vitest";
import { clearLeftovers, type EngineState, loadState, saveState } from "../engine-state.ts";
import { configuration, machineIdOf } from "./guest-setup.ts";
import { execRequest, mergeEnv } from "./guest-stream.ts";

const plan: StartPlan = {
  id: "0123456789abcdef",
  name: "web",
  folder: "/m",
  socketFolder: "/s",
  rootfsPath: "/r",
  outputPath: "/o",
  cpus: 1,
  memoryBytes: 1,
  network: "none",
  tmpfs: [],
  ports: [],
  hostname: "web-host",
  volumes: [],
  shares: [],
  workload: { argv: ["sh"], env: ["A=1", "B=2"], cwd: "/srv", user: "www", tty: true, stdin: true },
};

describe("a guest's configuration", () => {
  it("gives identity and clock", () => {
    expect(configuration(plan, 1_700_000_000_250)).toMatchObject({
      hostname: "web-host",
      machineId: machineIdOf(plan.id),
      clock: { sec: 1_700_000_000, nsec: 250_000_000 },
      network: null,
    });
  });

  it("is fresh each time but for the machine id, which belongs to the machine", () => {
    expect(configuration(plan, 0).entropy).not.toBe(configuration(plan, 0).entropy);
    expect(Buffer.from(configuration(plan, 0).entropy, "hex")).toHaveLength(64);
    expect(machineIdOf(plan.id)).toMatch(/^[0-9a-f]{32}$/);
    expect(machineIdOf(plan.id)).not.toBe(machineIdOf("other"));
  });

  it("has an address when there is a network", () => {
    expect(configuration({ ...plan, network: "user" }, 0).network).toEqual({
      mac: expect.stringMatching(/^02(:[0-9a-f]{2}){5}$/),
      address: "10.0.2.15/24",
      gateway: "10.0.2.2",
      dns: ["10.0.2.3"],
    });
  });
});

describe("an exec", () => {
  it("takes from the workload what its spec leaves open, but not its terminal", () => {
    expect(execRequest({ command: ["ls"], env: { B: "3", C: "4" } }, plan.workload)).toEqual({
      argv: ["ls"],
      env: ["A=1", "B=3", "C=4"],
      cwd: "/srv",
      user: "www",
      tty: false,
      stdin: false,
    });
  });

  it("keeps values that hold an equals sign", () => {
    expect(mergeEnv(["A=x=y"], { B: "=" })).toEqual(["A=x=y", "B=="]);
  });
});

describe("the engine's state", () => {
  const state: EngineState = {
    phase: "booting",
    bootId: "b",
    pid: 7,
    startTime: "9",
    accelerator: "tcg",
    ports: [],
    notes: [],
    timings: {},
    parts: {},
  };

  it("is what was saved last, and gone with the leftovers", async () => {
    const folder = await mkdtemp(join(tmpdir(), "isthmus-test-"));
    expect(await loadState(folder)).toBeUndefined();
    await saveState(folder, { ...state, phase: "spawning" });
    await saveState(folder, state);
    expect(await loadState(folder)).toEqual(state);
    await writeFile(join(folder, "engine.json"), "{");
    expect(await loadState(folder)).toBeUndefined();
    for (const name of ["memory.base", "memory.base.gone", "vmm.log"]) await writeFile(join(folder, name), "");
    await clearLeftovers(folder, folder);
    // A guest's memory is large: its removal is begun, not waited for.
    expect(await readdir(folder)).not.toContain("memory.base");
    await expect.poll(() => readdir(folder)).toEqual(["vmm.log"]);
    await rm(folder, { recursive: true });
  });
});
