import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect } from "vitest";
import { held } from "./held.ts";

/** What was begun may take this long to be gone. */
const SETTLE_MS = 15_000;
const LOOK_MS = 50;

/*
 * Around every file of system tests, without its doing: each gets a folder for temporary files of its own, which marks what belongs to it, and at its end
 * nothing may be held that was not held before. Runs first and last, for the hooks of a set-up file enclose those of the tests.
 */
const outer = tmpdir();
let mark = "";
let before: ReturnType<typeof held>;

// Here and not at the top: of a file whose tests are all skipped no hook runs, and its folder would stay.
beforeAll(() => {
  mark = mkdtempSync(join(outer, "it-"));
  process.env.TMPDIR = mark;
  before = held(mark);
});

afterAll(async () => {
  const giveUpAt = Date.now() + SETTLE_MS;
  while (!isDeepStrictEqual(held(mark), before) && Date.now() < giveUpAt) await sleep(LOOK_MS);
  process.env.TMPDIR = outer;
  try {
    expect(held(mark), "left behind by this file of tests").toEqual(before);
  } finally {
    rmSync(mark, { recursive: true, force: true });
  }
});
