import type { Role } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { checkPermission, hostOwner } from "../access/caller.ts";
import type { NewEvent } from "../machine/stored-events.ts";
import type { StoredToken } from "./ports.ts";
import { Tokens } from "./tokens.ts";

function setUp(kept: StoredToken[] = []) {
  const events: NewEvent[] = [];
  const timers: { atMs: number; action: () => void }[] = [];
  const world = {
    nowMs: 1_000_000,
    kept,
    events,
    advance(ms: number) {
      world.nowMs += ms;
      for (const timer of timers.splice(0)) timer.atMs <= world.nowMs ? timer.action() : timers.push(timer);
    },
  };
  const clock = {
    now: () => world.nowMs,
    after(ms: number, action: () => void) {
      const timer = { atMs: world.nowMs + ms, action };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
  };
  const store = {
    tokens: () => [...kept],
    insertToken(token: StoredToken, news: readonly NewEvent[]) {
      kept.push(token);
      events.push(...news);
    },
    deleteToken(id: string, news: readonly NewEvent[]) {
      kept.splice(
        kept.findIndex((one) => one.id === id),
        1,
      );
      events.push(...news);
    },
  };
  return { ...world, world, tokens: new Tokens(store, clock) };
}

const refused = expect.objectContaining({ code: "UNAUTHORIZED" });

describe("tokens", () => {
  it("are kept as hashes, and told of without their values", () => {
    const { tokens, kept, events } = setUp();
    const { value, token } = tokens.create({ name: "ci", role: "operator", tenant: "a" }, hostOwner);
    const secret = value.slice(22);
    expect(secret).toHaveLength(43);
    for (const text of [JSON.stringify(kept), JSON.stringify(events), JSON.stringify(tokens.list(hostOwner)), JSON.stringify(token)]) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(Buffer.from(secret, "base64url").toString("hex"));
    }
    expect(tokens.list(hostOwner)[0]).not.toHaveProperty("hash");
  });

  it("outlive the daemon, and so does their end", () => {
    const first = setUp();
    const { value } = first.tokens.create({ name: "ci", role: "viewer" }, hostOwner);
    const gone = first.tokens.create({ name: "gone", role: "viewer" }, hostOwner).value;
    first.tokens.remove("gone", hostOwner);
    const next = setUp(first.kept).tokens;
    expect(next.authenticate(value)).toMatchObject({ role: "viewer", who: "token ci" });
    expect(() => next.authenticate(gone)).toThrow(refused);
  });

  it("end with their time, also far in the future, for those who use them", () => {
    const { tokens, world } = setUp();
    const day = 86_400_000;
    const { value } = tokens.create({ name: "ci", role: "viewer", expiresInMs: 90 * day }, hostOwner);
    const { over } = tokens.authenticate(value);
    for (let hour = 0; hour < 90 * 24; hour += 1) {
      expect(over.aborted).toBe(false);
      world.advance(day / 24);
    }
    expect(over.aborted).toBe(true);
    expect(over.reason).toEqual(refused);
    expect(() => tokens.authenticate(value)).toThrow(refused);
    expect(tokens.list(hostOwner)[0]?.expired).toBe(true);
  });

  it("have names of their own", () => {
    const { tokens } = setUp();
    tokens.create({ name: "ci", role: "viewer" }, hostOwner);
    expect(() => tokens.create({ name: "ci", role: "admin" }, hostOwner)).toThrow(expect.objectContaining({ code: "TOKEN_NAME_TAKEN" }));
    expect(() => tokens.remove("nothing", hostOwner)).toThrow(expect.objectContaining({ code: "TOKEN_NOT_FOUND" }));
  });
});

describe("a permission", () => {
  it.each([
    ["viewer", undefined, "operator", "tenant", false],
    ["operator", undefined, "operator", "host", true],
    ["admin", "a", "viewer", "host", false],
    ["admin", "a", "admin", "tenant", true],
  ] as const)("%s of %s asked for %s, %s: %s", (role, tenant, needed: Role, reach, allowed) => {
    const check = () => checkPermission({ who: "token t", role, tenant, over: hostOwner.over }, { role: needed, reach });
    if (allowed) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
  });
});
