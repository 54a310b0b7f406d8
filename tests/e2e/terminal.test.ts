import { resolve } from "node:path";
import { spawn } from "@lydell/node-pty";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => await world[Symbol.asyncDispose]());

function terminal(args: string[]) {
  const pty = spawn(resolve(import.meta.dirname, "../../isthmus"), args, { cols: 91, rows: 33, env: { ...world.env, TERM: "xterm" } });
  let text = "";
  let code: number | undefined;
  pty.onData((chunk) => {
    text += chunk;
  });
  pty.onExit(({ exitCode }) => {
    code = exitCode;
  });
  return {
    pty,
    see: (what: RegExp) => eventually(`${what} in ${JSON.stringify(text.slice(-300))}`, async () => what.exec(text) ?? undefined, 60_000),
    exit: () => eventually("the command ends", async () => code, 60_000),
  };
}

describe("run -it in a real terminal", () => {
  it("gives a shell that knows the terminal's size, follows its changes, takes Ctrl-C and passes on the exit code", async () => {
    const { pty, see, exit } = terminal(["run", "--rm", "-it", "busybox", "sh"]);
    await see(/# /);
    pty.write("stty size\r");
    await see(/33 91/);
    pty.resize(120, 40);
    const ask = setInterval(() => pty.write("stty size\r"), 500);
    await see(/40 120/).finally(() => clearInterval(ask));
    pty.write("echo s$((1+1))art; sleep 1000\r");
    await see(/s2art/);
    pty.write("\u0003");
    pty.write("echo in$((1+1))terrupted\r");
    await see(/in2terrupted/);
    pty.write("exit 9\r");
    expect(await exit()).toBe(9);
  });

  it("execs with a terminal too", async () => {
    const id = await world.ok(["run", "-d", "busybox", "sleep", "1000"]);
    const { pty, see, exit } = terminal(["exec", "-it", id, "sh"]);
    await see(/# /);
    pty.write("tty; exit 5\r");
    await see(/\/dev\/pts\/\d/);
    expect(await exit()).toBe(5);
  });
});
