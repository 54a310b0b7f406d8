import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { type Answer, failure, fakeDaemon, image, machine, type Seen } from "../testing/fake-daemon.ts";
import { cli } from "../testing/test-world.ts";

const app = image({ tags: ["other:1", "localhost:5000/app:v1"] });
const layer = "0123456789ab";
const progress = [
  { step: "resolve", message: "localhost:5000/app:v1" },
  { step: "download", item: layer, doneBytes: 1_000_000, totalBytes: 2_000_000, percent: 50 },
  { step: "download", item: layer, doneBytes: 2_000_000, totalBytes: 2_000_000, percent: 100 },
  { step: "pack", doneBytes: 5, totalBytes: 5 },
];

function pulled(...more: readonly unknown[]): Answer {
  return { bytes: Buffer.from([...progress, ...more].map((line) => `${JSON.stringify(line)}\n`).join("")) };
}

describe("pull", () => {
  it("shows layers, prints the name, and sends no account where there is none", async () => {
    await using daemon = await fakeDaemon(() => pulled({ image: app }));
    const { code, out, err } = await cli(["pull", "localhost:5000/app:v1"], daemon);
    expect([code, out]).toEqual([0, "localhost:5000/app:v1\n"]);
    expect(err).toBe(`resolve: localhost:5000/app:v1\n${layer}: download: 977 KiB of 1.9 MiB (50 %)\n${layer}: done\npack\n`);
    expect(daemon.seen.map(({ method, path: where, body }) => [method, where, JSON.parse(body)])).toEqual([
      ["POST", "/images/pull", { ref: "localhost:5000/app:v1" }],
    ]);
    expect(await cli(["image", "pull", "-q", "localhost:5000/app:v1"], daemon)).toEqual({ code, out, err: "" });
    expect(JSON.parse((await cli(["pull", "--json", "localhost:5000/app:v1"], daemon)).out)).toEqual([app]);
  });

  it("takes several, of which one that fails keeps no other from its turn", async () => {
    const denied = { error: { code: "REGISTRY_DENIED", message: "no entry", remedy: "", status: 403, details: {} } };
    await using daemon = await fakeDaemon(({ body }) => pulled(body.includes("locked") ? denied : { image: app }));
    const { code, out, err } = await cli(["pull", "-q", "locked:1", "other:1"], daemon);
    expect([code, out]).toEqual([1, "other:1\n"]);
    expect(err).toContain("isthmus: no entry");
  });

  it("sends the account of docker's settings, and tells when they cannot be used", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "isthmus-cli-docker-"));
    const auth = Buffer.from("me:secret").toString("base64");
    await writeFile(path.join(folder, "config.json"), JSON.stringify({ auths: { "localhost:5000": { auth } } }));
    await using daemon = await fakeDaemon(() => pulled({ image: app }));
    const env = { DOCKER_CONFIG: folder };
    const { err } = await cli(["pull", "localhost:5000/app:v1"], { ...daemon, env });
    expect(JSON.parse(daemon.seen[0]?.body ?? "")).toMatchObject({ auth: { username: "me", password: "secret" } });
    expect(err).not.toContain("secret");
    await writeFile(path.join(folder, "config.json"), "{secret");
    const broken = await cli(["pull", "localhost:5000/app:v1"], { ...daemon, env });
    expect(broken.err).toMatch(/^note: no account from docker's settings: .*config\.json/);
    expect(broken).toMatchObject({ code: 0, err: expect.not.stringContaining("secret") });
    await rm(folder, { recursive: true });
  });
});

describe("run --pull", () => {
  /** Has the image once it was pulled. */
  function daemonOf(here: boolean): (seen: Seen) => Answer {
    let present = here;
    return ({ path: where, body }) => {
      if (where === "/images/pull") {
        present = true;
        return pulled({ image: app });
      }
      return present ? { status: 201, json: machine({}, JSON.parse(body || "{}")) } : failure("IMAGE_NOT_FOUND", "no image app", 404);
    };
  }

  it.each([
    [false, [], ["machines", "images/pull", "machines"]],
    [true, [], ["machines"]],
    [true, ["--pull", "always"], ["images/pull", "machines"]],
    [true, ["--pull=never"], ["machines"]],
  ])("with the image here: %s and %j asks for %j", async (here, flags, wanted) => {
    await using daemon = await fakeDaemon(daemonOf(here));
    const { code, out } = await cli(["run", "-d", ...flags, "app"], daemon);
    expect([code, out]).toEqual([0, "00112233445566aa\n"]);
    const asked = daemon.seen.map(({ path: where }) => where.slice(1));
    expect(asked.filter((where) => !where.startsWith("machines/"))).toEqual(wanted);
    for (const { path: where, query } of daemon.seen) if (where === "/machines") expect(query.pull).toBe("never");
  });

  it("does not ask where it may not, nor for a digest of no registry", async () => {
    await using daemon = await fakeDaemon(daemonOf(false));
    for (const argv of [["--pull", "never", "app"], [`sha256:${"a".repeat(64)}`]]) {
      const { code, err } = await cli(["run", "-d", ...argv], daemon);
      expect([code, err]).toEqual([125, expect.stringContaining("no image app")]);
    }
    expect(daemon.seen.map(({ path: where }) => where)).not.toContain("/images/pull");
    expect((await cli(["run", "--pull", "sometimes", "app"], daemon)).err).toContain("Allowed choices are missing, always, never");
  });
});

describe("push, save, history and prune", () => {
  const digest = `sha256:${"b".repeat(64)}`;

  it("push tells the digest of what was sent", async () => {
    const lines = [
      { step: "upload", item: layer, doneBytes: 1, totalBytes: 4, percent: 25 },
      { step: "pushed", item: layer },
      { step: "mounted", item: "ba9876543210", message: "from team/base", doneBytes: 4, totalBytes: 4, percent: 100 },
      { pushed: { digest } },
    ];
    await using daemon = await fakeDaemon(() => ({ bytes: Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join("")) }));
    const { code, out, err } = await cli(["push", "localhost:5000/app:v1"], daemon);
    expect([code, out]).toEqual([0, `localhost:5000/app:v1: ${digest}\n`]);
    expect(err).toBe(`${layer}: upload: 1 B of 4 B (25 %)\n${layer}: done\nba9876543210: mounted: from team/base\n`);
    expect(daemon.seen[0]?.path).toBe("/images/push");
    expect(JSON.parse((await cli(["image", "push", "--json", "a:1"], daemon)).out)).toEqual([{ ref: "a:1", digest }]);
  });

  it("save writes a whole file or none, and no archive to a terminal", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "isthmus-cli-save-"));
    const file = path.join(folder, "a.tar");
    await using daemon = await fakeDaemon(({ query }) =>
      query.ref === "gone" ? failure("IMAGE_NOT_FOUND", "no image gone", 404) : { bytes: Buffer.from("tar") },
    );
    expect((await cli(["save", "a:1"], daemon)).out).toBe("tar");
    expect(await cli(["image", "save", "-o", file, "a:1", "b"], daemon)).toEqual({ code: 0, out: "", err: "" });
    expect(await readFile(file, "utf8")).toBe("tar");
    expect((await cli(["save", "-o", file, "gone"], daemon)).code).toBe(1);
    expect((await cli(["save", "-o", path.join(folder, "no/x.tar"), "a:1"], daemon)).err).toContain("no/x.tar");
    expect(await readdir(folder)).toEqual(["a.tar"]);
    const terminal = { columns: 80, rows: 24 };
    expect(await cli(["save", "a:1"], { ...daemon, terminal })).toMatchObject({ code: 2, err: expect.stringContaining("-o") });
    await rm(folder, { recursive: true });
  });

  it("history is a table, newest first", async () => {
    const history = [
      { createdAt: new Date(Date.now() - 7_200_000).toISOString(), createdBy: "CMD\n[x]", comment: "", sizeBytes: 0 },
      { createdBy: "ADD files", comment: "made", layer: digest, sizeBytes: 2048 },
    ];
    await using daemon = await fakeDaemon(() => ({ json: { history } }));
    const { out } = await cli(["history", "app"], daemon);
    expect(out).toMatch(
      /^LAYER +CREATED +CREATED BY +SIZE +COMMENT\n +2 hours ago +CMD\\n\[x\] +0 B *\nbbbbbbbbbbbb +ADD files +2\.0 KiB +made\n$/,
    );
    expect(JSON.parse((await cli(["history", "--json", "app"], daemon)).out)).toEqual(history);
  });

  it("prune names what went and what that freed", async () => {
    await using daemon = await fakeDaemon(() => ({ json: { deleted: [image()], freedBytes: 3_000_000 } }));
    const { out } = await cli(["image", "prune", "-a", "-f"], daemon);
    expect(out).toBe(`Untagged: busybox:latest\nDeleted: ${digest}\nFreed: 2.9 MiB\n`);
    expect(daemon.seen[0]?.query).toEqual({ all: "true" });
  });
});
