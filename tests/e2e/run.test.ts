import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildUdpEcho, udpEcho } from "../udp-echo.ts";
import { World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world.removeAll();
  await world[Symbol.asyncDispose]();
});

describe("isthmus run", () => {
  it("runs a command of the built-in image and passes its output on, stdout and stderr apart", async () => {
    const result = await world.cli(["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2"]);
    expect([result.code, result.text, result.stderr.trim()]).toEqual([0, "out", "err"]);
    expect(await world.ok(["ps", "-aq"])).toBe("");
  });

  it("is over only when its auto-removed machine is gone: the next one may have the name at once", async () => {
    for (const turn of ["1", "2", "3"]) expect(await world.ok(["run", "--rm", "--name", "again", "busybox", "echo", turn])).toBe(turn);
  });

  it.each([
    [["true"], 0],
    [["sh", "-c", "exit 3"], 3],
    [["no-such-program"], 127],
    [["/etc/passwd"], 126],
    [["sh", "-c", "kill -TERM $$"], 143],
  ])("passes on the exit code of %j", async (command, code) => {
    expect((await world.cli(["run", "--rm", "busybox", ...command])).code).toBe(code);
  });

  it("gives the workload its env, folder, user, hostname, cpus and tmpfs", async () => {
    const script = "echo $GREETING; pwd; id -u; hostname; nproc; grep -c ' /mnt tmpfs' /proc/mounts; touch /x 2>&1";
    const args = [
      "--rm",
      "-e",
      "GREETING=hi",
      "-w",
      "/tmp",
      "-u",
      "1000",
      "--hostname",
      "hull",
      "--cpus",
      "2",
      "--read-only",
      "--tmpfs",
      "/mnt",
    ];
    const result = await world.cli(["run", ...args, "busybox", "sh", "-c", script]);
    expect(result.text.split("\n").slice(0, 6)).toEqual(["hi", "/tmp", "1000", "hull", "2", "1"]);
    expect(result.text).toMatch(/Read-only file system/);
  });

  it("lets a user other than root into a machine with a writable layer, to run and to exec", async () => {
    const id = await world.ok([
      "run",
      "-d",
      "-u",
      "nobody",
      "-w",
      "/tmp",
      "busybox",
      "sh",
      "-c",
      "touch mine; stat -c '%a %u' /; sleep 1000",
    ]);
    await expect.poll(() => world.ok(["logs", id])).toBe("755 0");
    expect(await world.ok(["exec", "-u", "1000", "-w", "/", id, "sh", "-c", "id -u; stat -c %U /tmp/mine"])).toBe("1000\nnobody");
    await world.ok(["rm", "-f", id]);
  });

  it("gives the root of a machine the mode and owner that its image has", async () => {
    const root = mkdtempSync(join(tmpdir(), "isthmus-root-"));
    for (const name of ["bin", "proc", "sys", "dev", "etc"]) mkdirSync(join(root, name));
    copyFileSync("/bin/busybox", join(root, "bin/busybox"));
    chmodSync(root, 0o711);
    chownSync(root, 7, 0);
    await world.ok(["image", "import", root, "rooted"]);
    rmSync(root, { recursive: true });
    for (const flags of [[], ["--read-only"]])
      expect(await world.ok(["run", "--rm", ...flags, "rooted", "/bin/busybox", "stat", "-c", "%a %u %g", "/"])).toBe("711 7 0");
  });

  it("feeds stdin to the workload until its end", async () => {
    const result = await world.cli(["run", "--rm", "-i", "busybox", "wc", "-c"], { input: "12345" });
    expect([result.code, result.text]).toEqual([0, "5"]);
  });

  it("serves published ports, of TCP and of UDP", async () => {
    const page = "mkdir /w; echo deck > /w/index.html; exec httpd -f -p 8080 -h /w";
    const id = await world.ok(["run", "-d", "-p", "127.0.0.1:0:8080", "-p", "53/udp", "busybox", "sh", "-c", page]);
    const machine = await world.isthmus.machines.get(id);
    const port = machine.ports[0]?.host ?? 0;
    const udp = machine.ports[1]?.host ?? 0;
    expect(await world.ok(["ps"])).toContain(`127.0.0.1:${udp}->53/udp`);
    expect(port).toBeGreaterThan(0);
    let text = "";
    for (let round = 0; round < 100 && text === ""; round += 1) {
      text = await fetch(`http://127.0.0.1:${port}/index.html`)
        .then((answer) => answer.text())
        .catch(() => "");
      if (text === "") await new Promise((done) => setTimeout(done, 100));
    }
    expect(text).toBe("deck\n");
    await world.ok(["cp", buildUdpEcho(world.home), `${id}:/echo`]);
    await world.ok(["exec", id, "/echo", "53"]);
    expect(udpEcho("127.0.0.1", udp, "over udp")).toBe("over udp");
    await world.ok(["rm", "-f", id]);
  });
});

describe("the SDK", () => {
  it("follows a machine from its start, to its end, in one request", async () => {
    const script = "echo one; echo two >&2; sleep 1; echo three";
    const machine = await world.isthmus.machines.run(
      { image: "busybox", command: ["sh", "-c", script], autoRemove: true },
      { follow: true },
    );
    expect(machine.info.state).toBe("running");
    const lines: string[] = [];
    for await (const { stream, text } of machine.output) lines.push(`${stream} ${text}`);
    expect(lines.toSorted()).toEqual(["stderr two\n", "stdout one\n", "stdout three\n"]);
    await expect
      .poll(() => world.isthmus.machines.get(machine.id).catch((error: { code: string }) => error.code))
      .toBe("MACHINE_NOT_FOUND");
  });

  it("runs a machine as the README shows", async () => {
    await using machine = await world.isthmus.machines.run({ image: "busybox", command: ["sh", "-c", "echo started; exec sleep 1000"] });
    const hello = await machine.execText(["sh", "-c", "echo hello; echo oops >&2; exit 7"]);
    expect(hello).toMatchObject({ code: 7, stdout: "hello\n", stderr: "oops\n" });
    expect(machine.info.state).toBe("running");
    expect(machine.info.isolation).toBe("microvm");
    expect(["kvm", "tcg"]).toContain(machine.info.accelerator);
  });
});
