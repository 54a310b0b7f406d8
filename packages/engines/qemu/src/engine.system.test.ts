import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import type { PublishedPort } from "@isthmus/contract";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestBench } from "./guest.fixture.ts";
import { processStatus } from "./process/proc.ts";

let bench: GuestBench;
beforeAll(async () => {
  bench = await GuestBench.create();
});
afterAll(() => bench.close());

const port: PublishedPort = { guest: 8080, host: 0, address: "127.0.0.1", protocol: "tcp" };

describe("a start", () => {
  it("runs the workload as asked and keeps its output and exit", async () => {
    const script = 'echo "$GREETING $0 $(hostname) $(id -u):$(id -g) $PWD"; echo oops >&2; exit 7';
    const plan = await bench.plan(script, { process: { user: "www", cwd: "/srv" } });
    const machine = await bench.start(plan);
    expect(Object.keys(machine.timings)).toEqual(["kernel", "accelerator", "spawn", "greeting", "configure", "workload"]);
    expect(await machine.ended).toEqual({ status: "exit status 0" });
    const records = await bench.records(plan);
    expect(records.filter((record) => record.startsWith("stdout"))).toEqual(["stdout hello /bin/sh guest-host 33:33 /srv\n"]);
    expect(records.filter((record) => record.startsWith("stderr"))).toEqual(["stderr oops\n"]);
    expect(records.at(-1)).toBe('exit {"code":7}');
    await expect(machine.exec({ command: ["true"] }, plan.workload)).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
  });

  it("of a workload that ends at once is still a start", async () => {
    const plan = await bench.plan("", { process: { argv: ["/bin/true"] } });
    const machine = await bench.start(plan);
    await machine.ended;
    expect((await bench.records(plan)).at(-1)).toBe('exit {"code":0}');
  });

  it("of a command that does not exist is the workload's exit 127", async () => {
    const plan = await bench.plan("", { process: { argv: ["/no/such"] } });
    await (await bench.start(plan)).ended;
    expect((await bench.records(plan)).at(-1)).toBe('exit {"code":127}');
  });

  it("that the guest refuses leaves no process and no trace but its logs", async () => {
    const plan = await bench.plan("true", { process: { user: "nobody-there" } });
    await expect(bench.start(plan)).rejects.toMatchObject({ code: "AGENT_REFUSED", details: { code: "bad_user" } });
    expect((await readdir(plan.folder)).filter((name) => !name.endsWith(".log"))).toEqual([]);
    expect(await bench.engine.processes(bench.machinesFolder)).toEqual([]);
  });

  it("that is cancelled leaves nothing", async () => {
    const plan = await bench.plan("sleep 60");
    const abort = new AbortController();
    const starting = bench.engine.start(plan, abort.signal);
    while ((await bench.engine.processes(bench.machinesFolder)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    abort.abort();
    await expect(starting).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await bench.engine.processes(bench.machinesFolder)).toEqual([]);
  });

  it("whose QEMU does not come up says why in QEMU's words", async () => {
    const plan = await bench.plan("true", { rootfsPath: "/no/such/rootfs" });
    await expect(bench.start(plan)).rejects.toMatchObject({ code: "START_FAILED", message: expect.stringContaining("/no/such/rootfs") });
    expect(await bench.engine.processes(bench.machinesFolder)).toEqual([]);
  });
});

describe("published ports", () => {
  it("answer from the guest, and are refused to a second machine before anything is spawned", async () => {
    const plan = await bench.plan("while true; do echo served | nc -l -p 8080; done", { network: "user", ports: [port] });
    const machine = await bench.start(plan);
    const [published] = machine.ports;
    const hear = async () => {
      const socket = connect(published?.host ?? 0, "127.0.0.1");
      await once(socket, "connect");
      return await text(socket);
    };
    let heard = "";
    while (heard === "") heard = await hear().catch(() => "");
    expect(heard).toBe("served\n");
    const second = await bench.plan("true", { network: "user", ports: [{ ...port, host: published?.host ?? 0 }] });
    await expect(bench.start(second)).rejects.toMatchObject({ code: "PORT_TAKEN", details: { port: published?.host } });
    await machine.kill();
    expect(await machine.ended).toEqual({ status: "signal SIGKILL" });
    expect(processStatus(machine.pid)).toBeUndefined();
  });
});

describe("the accelerator", () => {
  it("is what really booted, and is remembered for this kernel and host boot", async () => {
    const verdict = await bench.engine.accelerator();
    expect(["kvm", "tcg"]).toContain(verdict.accelerator);
    if (verdict.accelerator === "tcg") expect(verdict.reason).not.toBe("");
    expect(await (await GuestBench.engine(bench.folder)).accelerator()).toEqual(verdict);
    expect(await readFile(`${bench.folder}/state/accelerator.json`, "utf8")).toContain(verdict.probedAt);
    const anew = await bench.engine.accelerator(true);
    expect([anew.accelerator, anew.probedAt > verdict.probedAt]).toEqual([verdict.accelerator, true]);
    expect(await readFile(`${bench.folder}/state/accelerator.json`, "utf8")).toContain(anew.probedAt);
    expect((await readdir(`${bench.folder}/state`)).filter((name) => name.startsWith("probe-"))).toEqual([]);
  });
});
