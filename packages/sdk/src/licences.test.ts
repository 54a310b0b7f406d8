import { hasCode } from "@isthmus/contract";
import { openDoor } from "@isthmus/door-http/testing";
import { describe, expect, it } from "vitest";
import { Isthmus } from "./mod.ts";

describe("licences", () => {
  it("are added, changed, listed, shown and removed; times of a report may be dates", async () => {
    await using open = await openDoor();
    using isthmus = new Isthmus({ socketPath: open.socketPath });
    const { licences } = isthmus;
    const pool = await licences.add({ product: "matlab", metric: "concurrent", seats: 2, name: "a/b" });
    expect(await licences.list()).toEqual([pool]);
    expect(await licences.get("a/b")).toEqual(pool);
    expect(await licences.replace({ product: "matlab", metric: "concurrent", seats: 3, name: "a/b" })).toMatchObject({ seats: 3 });
    expect((await licences.remove("a/b", { force: true })).name).toBe("a/b");
    expect(await licences.get("a/b").catch((error: unknown) => hasCode(error, "LICENCE_POOL_NOT_FOUND"))).toBe(true);
    const since = new Date("2026-01-01T00:00:00Z");
    expect(await licences.report({ since, until: "2026-02-01T00:00:00Z", product: "matlab", audit: true })).toMatchObject({
      since: since.toISOString(),
      until: "2026-02-01T00:00:00.000Z",
    });
  });
});
