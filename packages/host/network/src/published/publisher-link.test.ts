import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { IsthmusError } from "@isthmus/contract";
import { afterEach, beforeEach, expect, it } from "vitest";
import { PUBLISHER_PROTOCOL } from "../config.ts";
import type { PublisherClient } from "../publisher/client.ts";
import { PublisherLink } from "./publisher-link.ts";

let home: string;
let lost: number;
const links: PublisherLink[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "isthmus-link-"));
  lost = 0;
});
afterEach(async () => {
  for (const link of links.splice(0)) await link.endIf(() => true).catch(() => undefined);
  rmSync(home, { recursive: true, force: true });
});

const linked = () => {
  const link = new PublisherLink({ home, runFolder: home, lost: () => (lost += 1) });
  links.push(link);
  return link;
};
const pidOf = async ({ pid }: PublisherClient) => pid;

it("starts a publisher when it is needed first, once, and ends it with its files when it is told", async () => {
  const link = linked();
  await link.endIf(() => true);
  expect([await link.ifThere(pidOf), existsSync(join(home, "publisher.sock"))]).toEqual([undefined, false]);
  const [first, second] = await Promise.all([link.use(pidOf), link.use(pidOf)]);
  await link.endIf(() => false);
  expect([second, await link.ifThere(pidOf), lost]).toEqual([first, first, 0]);
  await link.endIf(() => true);
  expect([existsSync(join(home, "publisher.sock")), existsSync(join(home, "publisher.log")), lost]).toEqual([false, false, 0]);
});

it("does with the next publisher what the one that ended meanwhile has not done, and says that one is lost", async () => {
  const link = linked();
  const tried: number[] = [];
  const listed = await link.use(async (publisher) => {
    tried.push(publisher.pid);
    if (tried.length === 1) process.kill(publisher.pid, "SIGKILL");
    return await publisher.list();
  });
  expect([listed, new Set(tried).size, lost]).toEqual([[], 2, 1]);
});

it("does with the next publisher what the one that is just ending refuses", async () => {
  // Stands for its process, which a test cannot hold at that moment.
  const ending = spawn("sleep", ["60"]);
  const refusal = (seq: number) => ({ type: "refused", seq, error: new IsthmusError("SHUTTING_DOWN").toBody() });
  const server = createServer((socket) => {
    socket.write(`${JSON.stringify({ type: "hello", protocol: PUBLISHER_PROTOCOL, pid: ending.pid })}\n`);
    socket.on("data", (line) => socket.write(`${JSON.stringify(refusal(JSON.parse(String(line)).seq))}\n`));
    ending.once("exit", () => server.close() && socket.end());
  }).listen(join(home, "publisher.sock"));
  await once(server, "listening");
  const pids: number[] = [];
  try {
    const listed = await linked().use(async (publisher) => {
      pids.push(publisher.pid);
      return await publisher.list();
    });
    expect([listed, pids.length, pids[0]]).toEqual([[], 2, ending.pid]);
  } finally {
    ending.kill();
  }
});

it("ends one that does not answer, and starts another", async () => {
  const link = linked();
  const first = await link.use(pidOf);
  const silent = link.use(() => Promise.reject(new IsthmusError("TIMEOUT", { what: "an answer", limit: 1 })));
  await expect(silent).rejects.toMatchObject({ code: "TIMEOUT" });
  expect([(await link.use(pidOf)) === first, lost]).toEqual([false, 1]);
});

it("finds what an earlier daemon left, and only that", async () => {
  const earlier = linked();
  const pid = await earlier.use(pidOf);
  earlier.close();
  const found: number[] = [];
  const link = linked();
  await link.find(async (publisher) => void found.push(publisher.pid));
  expect([found, await link.ifThere(pidOf)]).toEqual([[pid], pid]);
  await link.endIf(() => true);
  await link.find(async (publisher) => void found.push(publisher.pid));
  expect([found, lost]).toEqual([[pid], 0]);
  await expect(earlier.use(pidOf)).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
});
