import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { spawn } from "@lydell/node-pty";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeDaemon, fakeDaemon, image, machine } from "../testing/fake-daemon.ts";
import { type Shell, scripts } from "./scripts.ts";

let daemon: FakeDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await fakeDaemon(({ path: where }) => ({
    json: where === "/images" ? { images: [image({ tags: ["shop:1", "shop:2b"] })] } : { machines: [machine({ name: "web" })] },
  }));
  folder = mkdtempSync(path.join(tmpdir(), "isthmus-shell-"));
  symlinkSync(path.resolve(import.meta.dirname, "../../../../isthmus"), path.join(folder, "isthmus"));
  for (const [shell, script] of Object.entries(scripts)) writeFileSync(path.join(folder, `completion.${shell}`), script);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** How each is started without its user's settings, and reads our script. */
const starts: Readonly<Record<Shell, readonly [readonly string[], string]>> = {
  bash: [["--norc", "--noprofile", "-i"], "bind 'set bell-style none'; source completion.bash"],
  zsh: [["-f", "-i"], "autoload -Uz compinit && compinit -u -D; zstyle ':completion:*' list-prompt ''; source completion.zsh"],
  fish: [["--no-config", "-i"], "source completion.fish"],
};

/** The names of a busy host are right however late they come. Node cuts its options at spaces. */
const noDeadline = "--import=data:text/javascript,AbortSignal.timeout=()=>new/**/AbortController().signal";

/** The screen's text: without its commands, and with what a backspace took back taken back. */
const shown = (screen: string) =>
  stripVTControlCharacters(screen)
    .replace(/.[\b]/g, "")
    .replace(/[\r\n]/g, "");

/** What stands on the line after `typed` and a tab, in a real shell in a real terminal. */
async function tab(shell: Shell, typed: string): Promise<string> {
  const [args, setUp] = starts[shell];
  const env = {
    PATH: `${folder}:/usr/bin:/bin`,
    HOME: folder,
    TERM: "dumb",
    ISTHMUS_SOCKET: daemon.socketPath,
    ISTHMUS_HOME: folder,
    LC_ALL: "C",
    NODE_OPTIONS: noDeadline,
  };
  const terminal = spawn(shell, [...args], { name: "dumb", cols: 200, rows: 50, cwd: folder, env });
  let screen = "";
  terminal.onData((text) => {
    screen += text;
  });
  const ended = new Promise<void>((resolve) => terminal.onExit(() => resolve()));
  try {
    terminal.write(`${setUp}; echo rea''dy\r`);
    await expect.poll(() => screen).toContain("ready\r\n");
    screen = "";
    terminal.write(typed);
    await expect.poll(() => screen).toContain(typed.slice(-3));
    terminal.write("\t");
    const before = screen;
    await expect.poll(() => screen.length, { interval: 200 }).toBeGreaterThan(before.length);
    terminal.write("#END");
    await expect.poll(() => screen).toContain("#END");
    return screen;
  } finally {
    terminal.kill("SIGKILL");
    await ended;
  }
}

const shellsHere = (["bash", "zsh", "fish"] as const).filter((shell) =>
  ["/bin", "/usr/bin"].some((bin) => existsSync(path.join(bin, shell))),
);

describe.each(shellsHere)("completion in %s", (shell) => {
  it.each([
    ["isthmus unp", "isthmus unpause #END"],
    ["isthmus stop w", "isthmus stop web #END"],
    ["isthmus run --rm --read-", "isthmus run --rm --read-only #END"],
    ["isthmus run --rm shop:2", "isthmus run --rm shop:2b #END"],
    ["isthmus cp w", "isthmus cp web:#END"],
  ])("%j becomes %j", async (typed, line) => {
    const screen = await tab(shell, typed);
    expect(shown(screen), JSON.stringify(screen)).toContain(line);
  });
});
