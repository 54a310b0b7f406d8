import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ControlClient, type Dialect, type Numbered } from "./client.ts";
import { CONNECT_MS } from "./config.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-control-"));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

const dialect: Dialect<Numbered> = { name: "process", protocol: 1, readReply: (line) => JSON.parse(line), seqOf: () => undefined };

it("does not wait for ever for what listens and says nothing, as a process that is stopped does", async () => {
  const path = join(folder, "control.sock");
  const server = createServer().listen(path);
  await once(server, "listening");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const found = ControlClient.find(path, dialect);
  const refused = expect(found).rejects.toMatchObject({ code: "PROTOCOL", details: { reason: "the process says nothing" } });
  await once(server, "connection");
  vi.advanceTimersByTime(CONNECT_MS);
  await refused;
  server.close();
});
