import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { IsthmusError } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeTrustedFolder } from "./trusted-folder.ts";

const NOBODY = 65_534;
const RACES = 200;
/** of folders: the fewer, the more often both are at the same one */
const NAMES = 8;
const isRoot = process.getuid?.() === 0;

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "isthmus-trust-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function refusal(folder: string): string {
  try {
    makeTrustedFolder(folder);
  } catch (error) {
    expect(error).toMatchObject({ code: "LOCAL_FILE" });
    return IsthmusError.from(error).message;
  }
  return "";
}

describe("a folder that is to be trusted", () => {
  it("is made with all that it lies in, for this user alone, and may be there already", () => {
    const folder = join(base, "a/b");
    expect([refusal(folder), refusal(folder)]).toEqual(["", ""]);
    expect(existsSync(folder)).toBe(true);
  });

  it("may be reached by this user's links, through sticky folders", () => {
    mkdirSync(join(base, "real/home"), { recursive: true });
    mkdirSync(join(base, "open"));
    chmodSync(join(base, "open"), 0o1777);
    symlinkSync("../real", join(base, "open/link"));
    expect(refusal(join(base, "open/link/home"))).toBe("");
  });

  it.each([
    ["lies in a folder where all may rename", "open/home", 0o777, /open is writable for others \(mode 777\); run: chmod go-w/],
    ["is writable for others itself, sticky or not", "open", 0o1777, /open is writable for others/],
  ])("is refused when it %s", (_, name, mode, reason) => {
    mkdirSync(join(base, "open"));
    chmodSync(join(base, "open"), mode);
    expect(refusal(join(base, name))).toMatch(reason);
  });

  it("is refused behind a loop of links, or where a file is", () => {
    symlinkSync("loop", join(base, "loop"));
    writeFileSync(join(base, "file"), "");
    expect(refusal(join(base, "loop/home"))).toMatch(/ELOOP|links/);
    expect(refusal(join(base, "file"))).toMatch(/EEXIST|not a folder/);
  });

  it.runIf(isRoot)("is refused when it, what it lies in, or a link on the way is another user's", () => {
    for (const name of ["theirs/home", "mine/theirs"]) mkdirSync(join(base, name), { recursive: true });
    symlinkSync("mine", join(base, "link"));
    chownSync(join(base, "theirs"), NOBODY, NOBODY);
    chownSync(join(base, "mine/theirs"), NOBODY, NOBODY);
    expect(refusal(join(base, "theirs/home"))).toMatch(/belongs to user 65534/);
    expect(refusal(join(base, "mine/theirs"))).toMatch(/belongs to user 65534/);
    expect(refusal(join(base, "link"))).toBe("");
  });
});

/** Puts links to `victim` where the folders will be, takes them away, and tries to replace those that are there, without end. */
const attacker = `
  const { linkSync, mkdirSync, renameSync, rmdirSync, symlinkSync, unlinkSync } = require("node:fs");
  const [, folder, victim, count] = process.argv;
  const attempt = (action) => { try { action(); } catch {} };
  process.stdout.write("ready");
  for (let round = 0; ; round = (round + 1) % Number(count)) {
    const path = folder + "/home-" + round;
    attempt(() => symlinkSync(victim, path));
    attempt(() => unlinkSync(path));
    attempt(() => mkdirSync(path));
    attempt(() => symlinkSync(victim, path + "/machines"));
    attempt(() => unlinkSync(path + "/machines"));
    attempt(() => rmdirSync(path));
    attempt(() => renameSync(path, path + ".away"));
    attempt(() => renameSync(victim, path));
  }`;

describe.runIf(isRoot)("a folder in a place where all may write", () => {
  it(`is never another's after it was trusted, in ${RACES} races and more until both have won`, async () => {
    const [folder, victim] = [join(base, "tmp"), join(base, "victim")];
    for (const path of [folder, victim]) mkdirSync(path);
    chmodSync(base, 0o755);
    chmodSync(folder, 0o1777);
    chmodSync(victim, 0o777);
    const rival = spawn(process.execPath, ["-e", attacker, folder, victim, String(NAMES)], {
      uid: NOBODY,
      gid: NOBODY,
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(rival.stdout, "data");
      const verdicts = { trusted: 0, refused: 0 };
      const race = () => {
        for (let round = 0; round < RACES; round += 1) {
          const home = join(folder, `home-${round % NAMES}`);
          if (refusal(home) === "") {
            mkdirSync(join(home, "machines"), { recursive: true });
            writeFileSync(join(home, "machines/secret"), "ours");
            rmSync(home, { recursive: true });
            verdicts.trusted += 1;
          } else verdicts.refused += 1;
        }
        return verdicts;
      };
      // Only what was refused shows that the rival had its turns.
      await expect.poll(race).toSatisfy(({ trusted, refused }: typeof verdicts) => trusted > 0 && refused > 0);
      expect(readdirSync(victim)).toEqual([]);
    } finally {
      rival.kill("SIGKILL");
      await once(rival, "close");
    }
  });
});
