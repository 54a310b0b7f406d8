import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, type MachineHandle } from "@isthmus/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Chance, size } from "../seeded.ts";
import { World } from "../world.ts";
import { frame, HostileAgent, tiny, types, violations } from "./hostile-agent.fixture.ts";

const FRAMES = size(50_000, 1_000_000);
const TINY_PER_ATTACK = 1_000;
const GROWTH_BYTES = 64 * 1024 * 1024;
const DEADLINE_MS = 1_800_000;
/** A daemon on a busy host needs no longer to end a session. */
const CUT_OFF_MS = 30_000;
const NEVER_READ_BYTES = 32 * 1024 * 1024;
/** C0, DEL, C1 and the marks that turn text around, without the line feed. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what this is about
const COMMANDS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]/;
const EVIL = "\u001b[31mred\u001b]0;title\u0007\u009b2J\u202eforged\nisthmus: all is well\r";

const chance = new Chance();
let world: World;
let agent: HostileAgent;
let victim: MachineHandle;
let neighbour: MachineHandle;
let daemon: number;

/** Row 13 of the battery: a program of the test in the place of the guest's agent, before the real daemon. */
beforeAll(async () => {
  world = await World.start();
  const start = async (name: string) =>
    await world.ok(["run", "-d", "--name", name, "--memory", "96m", "busybox", "sh", "-c", "sleep 100000", EVIL]);
  const [id] = await Promise.all(["victim", "neighbour"].map(start));
  [victim, neighbour] = [world.isthmus.machines.handle("victim"), world.isthmus.machines.handle("neighbour")];
  await world.killDaemon();
  agent = await HostileAgent.on(join(world.home, "run", "m", id ?? "", "agent.sock"));
  await world.ok(["daemon", "start"]);
  await neighbour.execText(["true"]);
  daemon = await world.daemonPid();
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

/** How a call ended: `done` or the code of its error. Anything else is a fault of ours. */
async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (error) {
    if (!hasCode(error)) throw error;
    return error.code;
  }
}

async function expectUnharmed(): Promise<void> {
  const { stdout } = await neighbour.execText(["echo", "well"]);
  expect([stdout, await world.daemonPid()]).toEqual(["well\n", daemon]);
}

/** nothing more is taken when nothing was for so long */
const STILL_MS = 2_000;

describe("a hostile agent", () => {
  it(`is cut off at each violation, after ${FRAMES} frames that are allowed, SEED=${chance.seed}`, { timeout: DEADLINE_MS }, async () => {
    const before = (await world.isthmus.version()).rssBytes;
    let sent = 0;
    let peak = before;
    for (let round = 0; sent < FRAMES || round < violations.length; round += 1) {
      const attack = violations[round % violations.length] ?? violations[0];
      if (!attack) return;
      agent.answer = (request, id, socket) => {
        if (request.op !== "exec") return;
        // A reply that opens the stream a second time is itself a violation: tiny frames get a stream of their own in every other round.
        if (round % 2 === 0) socket.write(tiny(id, TINY_PER_ATTACK, chance));
        socket.write(attack.bytes(id, chance));
        sent += round % 2 === 0 ? TINY_PER_ATTACK : 0;
      };
      const code = await outcome(victim.execText(["true"], { signal: AbortSignal.timeout(CUT_OFF_MS) }));
      expect(["AGENT_PROTOCOL", "AGENT_UNREACHABLE", "done"], `${attack.name}: ${code}`).toContain(code);
      const late = sleep(CUT_OFF_MS, "late", { ref: false });
      expect(await Promise.race([agent.closed, late]), attack.name).toBeUndefined();
      peak = Math.max(peak, (await world.isthmus.version()).rssBytes);
      if (round % 5 === 0) await expectUnharmed();
    }
    console.log(`hostile agent: ${sent} frames, ${agent.connections} connections, resident ${before >> 20} to at most ${peak >> 20} MiB`);
    expect(peak - before).toBeLessThan(GROWTH_BYTES);
    await expectUnharmed();
  });

  it("that never greets, or never stops before its greeting, holds nobody else up", async () => {
    agent.answer = () => undefined;
    const flood = Buffer.alloc(5 * 1024 * 1024, "ISTHMUS-AGENT/");
    agent.greet = (socket) => void (agent.connections % 2 === 0 && socket.write(flood));
    const connections = agent.connections;
    agent.hangUp();
    const call = outcome(victim.stats());
    await expectUnharmed();
    expect(["AGENT_UNREACHABLE", "AGENT_PROTOCOL"]).toContain(await call);
    expect(agent.connections).toBeGreaterThan(connections + 1);
    agent.greet = undefined;
    agent.hangUp();
  });

  it("that never reads makes the writer wait, not the daemon grow", async () => {
    const before = (await world.isthmus.version()).rssBytes;
    agent.answer = ({ op }, id, socket) => {
      if (op === "ping") return void socket.write(frame(types.reply, id, { ok: true }));
      socket.write(Buffer.concat([frame(types.reply, id, { ok: true, pid: 7 }), frame(types.credit, id, Buffer.of(255, 255, 255, 127))]));
      socket.pause();
    };
    const session = await victim.exec(["cat"], { stdin: true });
    let taken = 0;
    session.stdin.on("error", () => undefined);
    session.exit.catch(() => undefined);
    const piece = Buffer.alloc(64 * 1024);
    const full = async () => {
      for (; taken < NEVER_READ_BYTES; taken += piece.length)
        if (!session.stdin.write(piece)) await new Promise((done) => session.stdin.once("drain", done));
    };
    void full();
    for (let before = -1; before !== taken; await sleep(STILL_MS)) before = taken;
    await expectUnharmed();
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(NEVER_READ_BYTES);
    expect((await world.isthmus.version()).rssBytes - before).toBeLessThan(GROWTH_BYTES);
    session.close();
  });

  it("cannot command the terminal of who reads names and errors; a workload's own output stays as it is", async () => {
    agent.answer = (_request, id, socket) =>
      socket.write(frame(types.reply, id, { ok: false, error: { code: "io_error", message: EVIL } }));
    agent.hangUp();
    for (const args of [
      ["exec", "victim", "true"],
      ["ps", "-a", "--no-trunc"],
      ["ps"],
      ["inspect", "victim"],
      ["stats", "--no-stream", "victim"],
      ["cp", "victim:/x", "/nowhere"],
    ]) {
      const { stdout, stderr } = await world.cli(args);
      expect(`${args.join(" ")}: ${COMMANDS.exec(stdout.toString())?.index}`).toBe(`${args.join(" ")}: undefined`);
      expect(`${args.join(" ")}: ${COMMANDS.exec(stderr)?.index}`).toBe(`${args.join(" ")}: undefined`);
    }
    const { stderr } = await world.cli(["exec", "victim", "true"]);
    expect(stderr).toContain("\\x1b[31mred");
    expect(stderr.split("\n").filter((line) => line.startsWith("isthmus:"))).toHaveLength(1);
    expect((await world.cli(["daemon", "logs"])).text).not.toMatch(COMMANDS);
    const raw = await world.cli(["exec", "neighbour", "printf", "\\033[31m"]);
    expect(raw.stdout.toString("latin1")).toBe("\u001b[31m");
  });
});
