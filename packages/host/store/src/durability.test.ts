import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore } from "./mod.ts";

const KILLS = Number(process.env.N ?? (process.env.SOAK === "1" ? 1000 : 100));
const SEED = Number(process.env.SEED ?? (Date.now() % 1_000_000) + 1);
const LIFE_MAX_MS = 40;
const DEADLINE_MS = 600_000;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-store-"));
  path = join(folder, "isthmus.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Commits as fast as the disk allows, and says so after each commit. */
const writer = `
  const { openStore } = await import(${JSON.stringify(join(import.meta.dirname, "mod.ts"))});
  (await import("node:module")).flushCompileCache();
  const store = openStore(process.argv[1]);
  for (;;) { store.appendEvents([{ type: "ack", details: { pad: "x".repeat(500) } }]); process.stdout.write(store.lastEventSeq() + "\\n"); }`;

/** The last commit that a writer told of before it was killed, `lifeMs` after its first. */
async function writeAndDie(lifeMs: number): Promise<number> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", writer, path], {
    stdio: ["ignore", "pipe", "inherit"],
    // Most of a writer's life would be the compiling of its code.
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder, "compiled") },
  });
  const closed = new Promise((done) => child.on("close", done));
  const begun = Promise.withResolvers<void>();
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    begun.resolve();
  });
  await Promise.race([begun.promise, closed]);
  await sleep(lifeMs);
  child.kill("SIGKILL");
  await closed;
  return Number(out.slice(0, out.lastIndexOf("\n")).split("\n").at(-1));
}

describe("durability", () => {
  it(`loses no acknowledged write to ${KILLS} kill -9, SEED=${SEED}`, { timeout: DEADLINE_MS }, async () => {
    let acked = 0;
    let place = SEED;
    for (let kill = 0; kill < KILLS; kill += 1) {
      place = (place * 48_271) % 2_147_483_647;
      const told = await writeAndDie(place % LIFE_MAX_MS);
      expect(told).toBeGreaterThan(acked);
      acked = told;
      const store = openStore(path);
      expect(store.lastEventSeq()).toBeGreaterThanOrEqual(acked);
      expect(store.events({ afterSeq: acked - 1, limit: 1 })).toMatchObject([{ seq: acked, type: "ack" }]);
      store.close();
    }
    const db = new DatabaseSync(path);
    expect(db.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    expect(db.prepare("SELECT count(*) AS rows FROM events").get()?.rows).toBeGreaterThanOrEqual(Math.min(acked, 100_000));
    db.close();
    console.log(`durability: ${KILLS} kills, ${acked} acknowledged commits, 0 lost`);
  });
});
