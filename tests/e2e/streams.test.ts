import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noise, World } from "../world.ts";

const BYTES = 100 * 1024 * 1024;
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const data = noise(BYTES, 7);
const wanted = digest(data);

let world: World;
let id: string;
beforeAll(async () => {
  world = await World.start();
  id = await world.ok(["run", "-d", "--memory", "512m", "busybox", "sleep", "100000"]);
});
afterAll(async () => await world[Symbol.asyncDispose]());

describe("100 MB, byte for byte", () => {
  it("through the stdin and stdout of an exec", async () => {
    const result = await world.cli(["exec", "-i", id, "cat"], { input: data });
    expect([result.code, result.stdout.length, digest(result.stdout)]).toEqual([0, BYTES, wanted]);
  });

  it("through the stdin and the durable stdout of a workload", async () => {
    const result = await world.cli(["run", "--rm", "-i", "busybox", "cat"], { input: data });
    expect([result.code, result.stdout.length, digest(result.stdout)]).toEqual([0, BYTES, wanted]);
  });

  it("through cp in both directions", async () => {
    const [there, back] = [join(world.home, "there"), join(world.home, "back")];
    writeFileSync(there, data);
    await world.ok(["cp", there, `${id}:/root/data`]);
    expect(await world.ok(["exec", id, "sha256sum", "/root/data"])).toContain(wanted);
    await world.ok(["cp", `${id}:/root/data`, back]);
    expect(digest(readFileSync(back))).toBe(wanted);
  });
});
