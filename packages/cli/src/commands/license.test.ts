import type { LicencePoolStatus, LicenceReport } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { type Answer, fakeDaemon, type Seen } from "../testing/fake-daemon.ts";
import { cli } from "../testing/test-world.ts";

const at = "2026-06-01T08:00:00.000Z";
const pool: LicencePoolStatus = {
  name: "matlab",
  product: "matlab",
  metric: "per-machine",
  seats: 20,
  limit: "hard",
  onShortage: "queue",
  onSuspend: "return",
  images: [],
  createdAt: at,
  updatedAt: at,
  used: 1,
  free: 19,
  standing: "ok",
  holders: [{ machineId: "ab", machineName: "web", state: "running", seats: 1, since: at }],
};
const late: LicencePoolStatus = {
  ...pool,
  name: "late",
  limit: "soft",
  graceMs: 172_800_000,
  validTo: "2026-07-01T00:00:00.000Z",
  standing: "grace",
  seats: 1,
  used: 2,
  free: -1,
};

const report: LicenceReport = {
  since: at,
  until: "2026-06-02T08:00:00.000Z",
  products: [
    {
      product: "matlab",
      total: 20,
      used: 1,
      highWater: 7,
      days: [{ day: "2026-06-01", highWater: 7, highWaterAt: at, total: 20, taken: 9, returned: 8, seatHours: 31.5 }],
      uses: [{ pool: "matlab", machineId: "ab", machineName: "=web", tenant: "default", image: 'a,"b"', seats: 1, from: at }],
      usesLeftOut: 0,
      forecast: { seatsPerDay: 0, days: 1, reason: "too early to tell: 1 of at least 3 days" },
    },
  ],
};

const daemonWith = (answer: LicenceReport = report) =>
  fakeDaemon(({ method, path, body }: Seen): Answer | undefined => {
    if (path === "/licences/report") return { json: answer };
    if (path === "/licences" && method === "GET") return { json: { pools: [pool, late] } };
    if (method === "POST" || method === "PUT") return { json: { ...pool, ...JSON.parse(body) } };
    return path === "/licences/matlab" ? { json: pool } : undefined;
  });

describe("license", () => {
  it("add sends every flag, and asks for a change with --replace", async () => {
    await using daemon = await daemonWith();
    expect((await cli(["license", "add", "matlab", "--seats", "20"], daemon)).out).toBe("matlab\n");
    const words =
      "license add db --seats 64 --metric per-vcpu --name p --minimum 4 --from 2026-01-01T00:00:00Z --to 2027-01-01T00:00:00Z --soft --grace-seats 2 --grace 48h --refuse --keep-suspended --image db:* --image x --replace";
    await cli(words.split(" "), daemon);
    expect(daemon.seen.map(({ method, path, body }) => [method, path, JSON.parse(body)])).toEqual([
      ["POST", "/licences", { product: "matlab", metric: "per-machine", seats: 20 }],
      [
        "PUT",
        "/licences/p",
        {
          name: "p",
          product: "db",
          metric: "per-vcpu",
          seats: 64,
          minimumPerMachine: 4,
          validFrom: "2026-01-01T00:00:00.000Z",
          validTo: "2027-01-01T00:00:00.000Z",
          limit: "soft",
          graceSeats: 2,
          graceMs: 172_800_000,
          onShortage: "refuse",
          onSuspend: "keep",
          images: ["db:*", "x"],
        },
      ],
    ]);
  });

  it.each([
    [["add", "matlab"]],
    [["add", "matlab", "--seats", "few"]],
    [["add", "matlab", "--seats", "1", "--metric", "per-moon"]],
    [["add", "matlab", "--seats", "1", "--to", "10m"]],
    [["report", "--until", "later"]],
  ])("%j is wrong usage", async (words) => {
    await using daemon = await daemonWith();
    expect((await cli(["license", ...words], daemon)).code).toBe(2);
    expect(daemon.seen).toEqual([]);
  });

  it("ls is a table that says what is short or over", async () => {
    await using daemon = await daemonWith();
    expect((await cli(["license", "ls"], daemon)).out).toBe(
      [
        "NAME     PRODUCT   METRIC        SEATS   USED   FREE   LIMIT          VALID           STATUS",
        "matlab   matlab    per-machine      20      1     19   hard           always          ok",
        "late     matlab    per-machine       1      2     -1   soft, 2 days   to 2026-07-01   grace",
        "",
      ].join("\n"),
    );
    expect((await cli(["license", "ls", "-q"], daemon)).out).toBe("matlab\nlate\n");
    expect(JSON.parse((await cli(["license", "ls", "--json"], daemon)).out)).toEqual([pool, late]);
  });

  it("inspect shows holders, rm passes --force on", async () => {
    await using daemon = await daemonWith();
    expect(JSON.parse((await cli(["license", "inspect", "matlab"], daemon)).out)).toEqual(pool);
    expect((await cli(["license", "inspect", "none"], daemon)).code).toBe(1);
    expect((await cli(["license", "rm", "-f", "matlab"], daemon)).out).toBe("matlab\n");
    expect(daemon.seen.at(-1)).toMatchObject({ method: "DELETE", path: "/licences/matlab", query: { force: "true" } });
  });
});

describe("license report", () => {
  it("is a table of days with a forecast; --uses tells who", async () => {
    await using daemon = await daemonWith();
    expect((await cli(["license", "report", "matlab", "--since", "2026-06-01T00:00:00Z"], daemon)).out).toBe(
      [
        "PRODUCT   DAY          HIGH WATER   SEATS   HIGH WATER AT              TAKEN   RETURNED   SEAT HOURS",
        "matlab    2026-06-01            7      20   2026-06-01T08:00:00.000Z       9          8         31.5",
        "",
        "matlab: 1 of 20 seats in use; too early to tell: 1 of at least 3 days",
        "",
      ].join("\n"),
    );
    expect(daemon.seen.at(-1)?.query).toEqual({ since: "2026-06-01T00:00:00Z", product: "matlab" });
    expect((await cli(["license", "report", "--uses"], daemon)).out).toContain("=web");
    expect(JSON.parse((await cli(["license", "report", "--json"], daemon)).out)).toEqual(report);
  });

  it("as CSV is quoted, and nothing in it is a formula", async () => {
    await using daemon = await daemonWith();
    const days = await cli(["license", "report", "--csv"], daemon);
    expect(days.out).toBe(`product,day,high_water,seats,high_water_at,taken,returned,seat_hours\nmatlab,2026-06-01,7,20,${at},9,8,31.5\n`);
    const uses = await cli(["license", "report", "--csv", "--uses"], daemon);
    expect(uses.out.split("\n")[1]).toBe(`matlab,matlab,'=web,ab,default,,"a,""b""",1,${at},`);
  });

  it("ends with 1 when the audit finds differences", async () => {
    await using bad = await daemonWith({ ...report, audit: { ok: false, events: 3, differences: ["event 2: lost"] } });
    const failed = await cli(["license", "report", "--audit"], bad);
    expect([failed.code, failed.out.split("\n").slice(-3)]).toEqual([1, ["audit: 1 differences in 3 events", "  event 2: lost", ""]]);
    await using good = await daemonWith({ ...report, audit: { ok: true, events: 3, differences: [] } });
    const well = await cli(["license", "report", "--audit"], good);
    expect([well.code, well.out.split("\n").at(-2)]).toEqual([0, "audit: 3 events agree with the machines and pools"]);
  });
});
