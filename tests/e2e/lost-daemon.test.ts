import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

const LINES = 200;
/** It says no more than this before it is let. */
const HELD = 120;
/** Numbered lines on both outputs over some 10 s, then a code of its own. */
const counting = `i=0; while [ $i -lt ${LINES} ]; do echo out $i; echo err $i >&2; i=$((i+1)); usleep 50000; while [ $i = ${HELD} -a ! -e /go ]; do usleep 50000; done; done; exit 42`;

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => await world[Symbol.asyncDispose]());

/** A command that runs beside the test. */
function start(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(join(resolve(import.meta.dirname, "../.."), "isthmus"), args, { env: { ...world.env, ...env } });
  const got = { out: "", err: "" };
  child.stdout.on("data", (bytes: Buffer) => {
    got.out += bytes.toString();
  });
  child.stderr.on("data", (bytes: Buffer) => {
    got.err += bytes.toString();
  });
  child.stdin.on("error", () => undefined);
  const code = new Promise<number | null>((done) => child.on("close", (status) => done(status)));
  const says = (text: string, stream: "out" | "err" = "out") =>
    eventually(`${args[0]} says ${text}, not only ${got.out}${got.err}`, async () => got[stream].includes(text) || undefined, 60_000);
  return { child, got, code, says };
}

/** stderr without our own remarks, which come when a daemon takes long */
const workloadErr = (text: string) => text.replace(/^isthmus: the daemon .*\n/gm, "");

const answers = (than?: number) =>
  eventually("a daemon answers", async () => {
    const pid = await world.daemonPid().catch(() => undefined);
    return pid === than ? undefined : pid;
  });

const numbered = (word: string) => Array.from({ length: LINES }, (_, n) => `${word} ${n}\n`).join("");

describe("a daemon that dies under a command", () => {
  it("is started again by run, logs -f and wait, which go on: no line lost or doubled, the workload's exit code", async () => {
    const run = start(["run", "--name", "count", "busybox", "sh", "-c", counting]);
    await run.says("out 3\n");
    const logs = start(["logs", "-f", "count"]);
    const times = start(["logs", "-f", "--json", "count"]);
    const wait = start(["wait", "count"]);
    await logs.says("out 3\n");
    for (let kill = 1; kill <= 3; kill += 1) {
      const pid = await answers();
      await run.says(`out ${kill * 30}\n`);
      await world.killDaemon();
      await answers(pid);
    }
    await world.ok(["exec", "count", "touch", "/go"]);
    expect(await run.code).toBe(42);
    expect([run.got.out, workloadErr(run.got.err)]).toEqual([numbered("out"), numbered("err")]);
    expect(await logs.code).toBe(0);
    expect([logs.got.out, workloadErr(logs.got.err)]).toEqual([numbered("out"), numbered("err")]);
    expect([await wait.code, wait.got.out]).toEqual([0, "42\n"]);
    expect(await times.code).toBe(0);
    const lines: { stream: string; text: string }[] = times.got.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const texts = (stream: string) => lines.flatMap((line) => (line.stream === stream ? line.text : [])).join("");
    expect([texts("stdout"), texts("stderr")]).toEqual([numbered("out"), numbered("err")]);
    await world.removeAll();
  });

  it("loses no output of a machine that removes itself while there is none, and gets its exit code", async () => {
    const run = start(["run", "--rm", "busybox", "sh", "-c", "echo begin; sleep 15; echo end; exit 9"], { ISTHMUS_NO_AUTOSTART: "1" });
    await run.says("begin\n");
    await world.killDaemon();
    await eventually("the machine has ended", async () => world.engines().length === 0 || undefined);
    await run.says("the daemon does not answer", "err");
    await world.ok(["daemon", "start"]);
    expect([await run.code, run.got.out]).toEqual([9, "begin\nend\n"]);
    expect(run.got.err).toContain("answers again");
    await eventually("it is removed", async () => (await world.machines()).length === 0 || undefined);
  });

  it("gets the input of run -i and attach again", async () => {
    const run = start(["run", "-i", "--name", "echo", "busybox", "sh", "-c", 'while read x; do echo "got $x"; done; exit 7']);
    run.child.stdin.write("one\n");
    await run.says("got one\n");
    const attach = start(["attach", "--logs", "echo"]);
    await attach.says("got one\n");
    const pid = await answers();
    await world.killDaemon();
    await answers(pid);
    await eventually("it runs", async () => ((await world.isthmus.machines.get("echo")).state === "running" ? true : undefined));
    // A line that is typed before the new session stands waits in our own stdin.
    attach.child.stdin.write("two\n");
    await run.says("got two\n");
    run.child.stdin.end("three\n");
    expect([await run.code, run.got.out]).toEqual([7, "got one\ngot two\ngot three\n"]);
    expect([await attach.code, attach.got.out]).toEqual([7, run.got.out]);
    await world.removeAll();
  });
});

describe("a daemon that is stopped in order", () => {
  it("is waited for and not started; Ctrl-C is kept, a second one leaves the machine running", async () => {
    const run = start([
      "run",
      "--name",
      "left",
      "busybox",
      "sh",
      "-c",
      "trap 'echo interrupted; exit 3' INT; echo begin; while :; do sleep 0.1; done",
    ]);
    await run.says("begin\n");
    const attach = start(["attach", "--logs", "left"]);
    await attach.says("begin\n");
    await world.ok(["daemon", "stop"]);
    await run.says("isthmus daemon start", "err");
    await attach.says("isthmus daemon start", "err");
    attach.child.kill("SIGINT");
    await attach.says("SIGINT is kept", "err");
    // One that comes late counts as a first one again.
    const again = setInterval(() => attach.child.kill("SIGINT"), 500);
    expect(await attach.code.finally(() => clearInterval(again))).toBe(130);
    expect(world.engines()).toHaveLength(1);
    run.child.kill("SIGINT");
    await run.says("SIGINT is kept", "err");
    await world.ok(["daemon", "start"]);
    expect([await run.code, run.got.out]).toEqual([3, "begin\ninterrupted\n"]);
    await world.removeAll();
  });
});

describe("attach --logs", () => {
  it("shows what the last start wrote, not what was before", async () => {
    const script = "was=first; [ -e /was ] && was=second; touch /was; echo $was; read x; exit 0";
    const id = await world.ok(["run", "-di", "busybox", "sh", "-c", script]);
    await eventually("it wrote", async () => (await world.ok(["logs", id])) || undefined);
    await world.ok(["restart", id]);
    await eventually("it wrote again", async () => (await world.ok(["logs", id])).includes("second") || undefined);
    expect(await world.ok(["attach", "--logs", id], { input: "x\n" })).toBe("second");
    expect(await world.ok(["logs", id])).toBe("first\nsecond");
    await world.removeAll();
  });
});
