import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { LiveMachine, StartPlan } from "@isthmus/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ADOPT_BUDGET_MS } from "./config.ts";
import { type EngineState, loadState } from "./engine-state.ts";
import { GuestBench } from "./guest.fixture.ts";
import { processStatus } from "./process/proc.ts";

let bench: GuestBench;
beforeAll(async () => {
  bench = await GuestBench.create();
  await bench.engine.accelerator();
});
afterAll(() => bench.close());

async function greets(machine: LiveMachine, plan: StartPlan): Promise<string> {
  const run = await machine.exec({ command: ["echo", "hi"] }, plan.workload);
  return await text(run.stdout);
}

/** A machine whose daemon died while it booted. */
async function cutShort(): Promise<{ plan: StartPlan; state: EngineState }> {
  for (;;) {
    const plan = await bench.plan("echo begun; sleep 3600");
    const state = await bench.cutShort(plan, `await engine.start(${JSON.stringify(plan)}, signal);`);
    if (state !== undefined) return { plan, state };
  }
}

describe("taking up a machine", () => {
  it("that another daemon let go keeps its process and serves again", async () => {
    const plan = await bench.plan("cat", { process: { stdin: true } });
    const before = await bench.start(plan);
    before.release();
    const after = await bench.adopt(plan);
    expect([after?.pid, after?.paused, after?.timings]).toEqual([before.pid, false, before.timings]);
    if (after === undefined) return;
    expect(await greets(after, plan)).toBe("hi\n");
    const input = await after.attach();
    await input.write(Buffer.from("across daemons\n"));
    await input.end();
    await after.ended;
    expect(await bench.records(plan)).toEqual(expect.arrayContaining(["stdout across daemons\n", 'exit {"code":0}']));
    expect(await bench.adopt(plan)).toBeUndefined();
    expect(await loadState(plan.folder)).toBeUndefined();
  });

  it("that is paused finds it paused", async () => {
    const plan = await bench.plan("sleep 3600");
    const before = await bench.start(plan);
    await before.pause();
    before.release();
    const after = await bench.adopt(plan);
    expect(after?.paused).toBe(true);
    await after?.unpause();
    if (after !== undefined) expect(await greets(after, plan)).toBe("hi\n");
    await after?.kill();
    await after?.ended;
  });

  it("whose process hangs returns it with a note, and serves when it goes on", async () => {
    const plan = await bench.plan("sleep 3600");
    const before = await bench.start(plan);
    before.release();
    process.kill(before.pid, "SIGSTOP");
    const after = await bench.adopt(plan, ADOPT_BUDGET_MS);
    expect(after?.pid).toBe(before.pid);
    expect(after?.notes).toHaveLength(1);
    process.kill(before.pid, "SIGCONT");
    if (after !== undefined) expect(await greets(after, plan)).toBe("hi\n");
    process.kill(before.pid, "SIGSTOP");
    await after?.kill();
    await after?.ended;
    expect(processStatus(before.pid)).toBeUndefined();
  });

  it.each(["before its pid was noted", "while it booted"])("of a daemon that died %s finishes the start", async (when) => {
    const { plan, state } = await cutShort();
    if (when.startsWith("before")) {
      const { pid: _pid, startTime: _startTime, ...unnoted } = state;
      await writeFile(join(plan.folder, "engine.json"), JSON.stringify({ ...unnoted, phase: "spawning" }));
    }
    const machine = await bench.adopt(plan, ADOPT_BUDGET_MS);
    expect(machine?.pid).toBe(state.pid);
    while (!(await readFile(plan.outputPath, "latin1").catch(() => "")).includes("begun"))
      await new Promise((resolve) => setTimeout(resolve, 20));
    if (machine !== undefined) expect(await greets(machine, plan)).toBe("hi\n");
    const mine = (await bench.engine.processes(bench.machinesFolder)).filter(({ machineId }) => machineId === plan.id);
    expect(mine).toEqual([{ pid: state.pid, machineId: plan.id }]);
    await machine?.kill();
    await machine?.ended;
    expect((await bench.records(plan)).filter((record) => record.startsWith("start "))).toHaveLength(1);
  });

  it("whose pid is another process's by now touches nothing", async () => {
    const plan = await bench.plan("sleep 3600");
    const before = await bench.start(plan);
    const state = await loadState(plan.folder);
    before.release();
    await writeFile(join(plan.folder, "engine.json"), JSON.stringify({ ...state, startTime: "1" }));
    expect(await bench.adopt(plan)).toBeUndefined();
    expect(processStatus(before.pid)).toBeDefined();
    await bench.engine.reap(before.pid, join(bench.machinesFolder, "another"));
    expect(processStatus(before.pid)).toBeDefined();
    await bench.engine.reap(before.pid, plan.folder);
    expect(processStatus(before.pid)).toBeUndefined();
  });
});
