import { describe, expect, it } from "vitest";
import { FakeAgent } from "./fake-agent.fixture.ts";
import { END_FLAG, stdio } from "./frames.ts";
import { AgentSession } from "./session.ts";
import { mountInGuest, statsOfGuest } from "./task.ts";

const DEADLINE_MS = 5_000;
const FIGURES = {
  uptimeMs: 5,
  cpuMs: 4,
  memory: { totalBytes: 9, freeBytes: 8, availableBytes: 7, cachedBytes: 6 },
  disk: { readBytes: 1, writtenBytes: 2, totalBytes: 3, freeBytes: 4 },
  net: { rxBytes: 1, txBytes: 2 },
  processes: 3,
};

/** A guest whose task says `out` and `err` and ends with `code`; undefined: never. */
async function guest({ out = "", err = "", code }: { out?: string; err?: string; code: number | undefined }): Promise<AgentSession> {
  const agent = new FakeAgent();
  const opening = AgentSession.open(agent.host, { name: "web" });
  agent.greet();
  agent.onRequest((_, stream) => {
    agent.send("reply", stream, { ok: true });
    if (code === undefined) return;
    agent.send("data", stream, Buffer.from(out), stdio.stdout | END_FLAG);
    agent.send("data", stream, Buffer.from(err), stdio.stderr | END_FLAG);
    agent.send("exit", stream, { code });
  });
  return await opening;
}

describe("a task of the guest", () => {
  it("tells figures", async () => {
    const session = await guest({ out: JSON.stringify(FIGURES), code: 0 });
    expect(await statsOfGuest(session, DEADLINE_MS)).toEqual(FIGURES);
  });

  it.each(["", "{", "[]", '{"uptimeMs":"5"}'])("is not trusted to tell figures with %j", async (out) => {
    const session = await guest({ out, code: 0 });
    await expect(statsOfGuest(session, DEADLINE_MS)).rejects.toMatchObject({ code: "AGENT_PROTOCOL" });
  });

  it("fails with what the guest says", async () => {
    const session = await guest({ err: "io_error\nmount volume: Structure needs cleaning", code: 1 });
    const mounting = mountInGuest(session, { type: "ext4", source: "vol0", path: "/data" }, DEADLINE_MS);
    await expect(mounting).rejects.toMatchObject({ code: "AGENT_REFUSED", message: expect.stringContaining("Structure needs cleaning") });
  });

  it("is waited for until its deadline", async () => {
    const session = await guest({ code: undefined });
    await expect(mountInGuest(session, { type: "tmpfs", source: "mode=1777", path: "/x" }, 20)).rejects.toMatchObject({ code: "TIMEOUT" });
  });
});
