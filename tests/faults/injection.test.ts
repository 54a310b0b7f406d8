import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Chance, size } from "../seeded.ts";
import { World } from "../world.ts";

const STRINGS = size(10_000, 100_000);
const WORDS_PER_CALL = 240;
const DEADLINE_MS = 900_000;
const NASTY_FOLDER = "a,b=c,,d 'e\" $(id) ;%s\\-";

const chance = new Chance();
let world: World;
let id: string;
let outer: string;
beforeAll(async () => {
  outer = tmpdir();
  process.env.TMPDIR = mkdtempSync(join(outer, NASTY_FOLDER));
  world = await World.start();
  id = await world.ok(["run", "-d", "--name", "target", "busybox", "sleep", "100000"]);
});
afterAll(async () => {
  const folder = tmpdir();
  process.env.TMPDIR = outer;
  await world[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Words as no shell, option parser or terminal likes them; NUL cannot be part of an argument. */
const word = fc
  .oneof(
    fc.string({ unit: "binary", maxLength: 10 }),
    fc.stringMatching(/^[-=,:;"'`$(){}\\ \n\t%~*?[\]<>|&#!]{0,12}$/),
    fc.constantFrom("-c", "--", "-", "$(reboot)", "`reboot`", "../../etc/passwd", "--rm", ",,", "a,server=on", "%00", "\u001b[31m", ""),
  )
  .filter((text) => text.isWellFormed() && !text.includes("\0"));

describe(`a data folder named ${NASTY_FOLDER}`, () => {
  it("runs machines: what QEMU was given means what was meant", async () => {
    expect(world.home).toContain(NASTY_FOLDER);
    expect(await world.ok(["exec", id, "echo", "here"])).toBe("here");
    expect(world.engines()).toHaveLength(1);
  });
});

describe("arguments and environment", () => {
  it(`come to a guest's process as they were given: ${STRINGS} strings, SEED=${chance.seed}`, { timeout: DEADLINE_MS }, async () => {
    const machine = world.isthmus.machines.handle(id);
    for (let done = 0; done < STRINGS; done += 2 * WORDS_PER_CALL) {
      const some = (part: number) => fc.sample(word, { numRuns: WORDS_PER_CALL, seed: chance.seed + done + part });
      const [words, values] = [some(0), some(1)];
      const env = Object.fromEntries(values.map((value, index) => [`K${index}`, value]));
      const command = ["sh", "-c", "cat /proc/$$/cmdline /proc/$$/environ; :", ...words];
      const { stdout, stderr, code } = await machine.execText(command, { env });
      expect([code, stderr]).toEqual([0, ""]);
      const found = stdout.split("\0");
      expect(found.slice(3, 3 + words.length)).toEqual(words);
      for (const [index, value] of values.entries()) expect(found).toContain(`K${index}=${value}`);
    }
  });

  it("do not become options of ours: what stands behind the image or the machine is the command's", async () => {
    for (const hostile of ["--rm", "-it", "--help", "--json", "--name=x", "; reboot"])
      expect(await world.ok(["exec", id, "printf", "%s", hostile])).toBe(hostile);
  });
});
