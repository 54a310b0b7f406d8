import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cli } from "../testing/test-world.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "isthmus-simulate-"));
});
afterEach(() => rm(folder, { recursive: true }));

const storm = new URL("../../../simulator/scenarios/storm.json", import.meta.url).pathname;

describe("simulate", () => {
  it("prints figures, and draws them, without a daemon", async () => {
    const picture = join(folder, "storm.svg");
    const { code, out } = await cli(["simulate", storm, "--plot", picture]);
    expect(code).toBe(0);
    expect(out).toMatch(/300 of 300 starts ran|\d+ of 300 starts ran/);
    expect(out).toMatch(/four +4 +100/);
    expect(await readFile(picture, "utf8")).toContain("<svg");
    const { out: json } = await cli(["simulate", storm, "--json"]);
    expect(JSON.parse(json)).toMatchObject({ asked: 300, fairness: expect.any(Number), tenants: [{ tenant: "one" }, {}, {}] });
  });

  it.each([
    ["{", /is no JSON/],
    ['{"name":"x"}', /durationMs|hosts|tenants/],
  ])("names what is wrong with %s", async (text, words) => {
    const path = join(folder, "bad.json");
    await writeFile(path, text);
    const { code, err } = await cli(["simulate", path]);
    expect(code).not.toBe(0);
    expect(err).toMatch(words);
  });

  it("names a file that is not there", async () => {
    const { err } = await cli(["simulate", join(folder, "none.json")]);
    expect(err).toMatch(/none\.json cannot be read/);
  });
});
