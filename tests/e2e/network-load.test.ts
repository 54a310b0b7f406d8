import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { size } from "../seeded.ts";
import { World } from "../world.ts";
import type { Told } from "./network-load.peer.ts";
import { OUT, TwoNamespaces } from "./two-namespaces.fixture.ts";

const MACHINE = "10.41.0.10";

const MEBIBYTES = size(16, 1024);
const AT_ONCE = 10;
const EACH = size(10, 100);
const CONNECTIONS = AT_ONCE * EACH;
/** ms, of which the sizes of `make soak` need most */
const DEADLINE_MS = 900_000;

let namespaces: TwoNamespaces;
let world: World;
let peer: ChildProcess;
beforeAll(async () => {
  namespaces = new TwoNamespaces();
  const [program = "", ...words] = [
    ...namespaces.within("out"),
    process.execPath,
    fileURLToPath(new URL("./network-load.peer.ts", import.meta.url)),
  ];
  peer = spawn(program, [...words, String(MEBIBYTES)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  await once(peer, "message");
  world = await World.start({}, () => undefined, namespaces.within("host"));
  await world.ok(["network", "create", "load", "--subnet", "10.41.0.0/24", "--subnet", "fd41::/64"]);
  const server = "mkdir /w; echo served > /w/index.html; exec httpd -f -p 80 -h /w";
  await world.ok(["run", "-d", "--name", "server", "--network", "load", "--ip", MACHINE, "busybox", "sh", "-c", server]);
  await world.ok(["run", "-d", "--name", "client", "--network", "load", "busybox", "sleep", "100000"]);
});
afterAll(async () => {
  await world?.removeAll();
  await world?.ok(["network", "prune"]);
  await world?.[Symbol.asyncDispose]();
  peer?.kill();
  namespaces?.[Symbol.dispose]();
});

/** Asks that many times in all, in processes of `AT_ONCE` that ask one after another, each on a new connection; gives every answer. */
async function ask(url: string): Promise<readonly string[]> {
  const asker = `wget -q -O - $(i=0; while [ $i -lt ${EACH} ]; do echo ${url}; i=$((i + 1)); done)`;
  const all = `i=0; while [ $i -lt ${AT_ONCE} ]; do ${asker} > /tmp/$i & i=$((i + 1)); done; wait; cat /tmp/[0-9]; rm /tmp/[0-9]`;
  const answers = await world.ok(["exec", "client", "sh", "-c", all]);
  return answers.split("\n");
}

describe("a network of the host", () => {
  it(
    `carries ${MEBIBYTES} MiB out and back on one connection without a wrong byte`,
    async () => {
      const told = once(peer, "message");
      await world.ok(["exec", "client", "nc", OUT.v4, "5000", "-e", "cat"]);
      const [seen]: (Told | undefined)[] = await told;
      expect([seen?.bytes, seen?.received]).toEqual([MEBIBYTES * 1024 * 1024, seen?.sent]);
    },
    DEADLINE_MS,
  );

  it(`carries ${CONNECTIONS} short connections to the outside, each answered once`, async () => {
    const answers = await ask(`http://${OUT.v4}:5001/`);
    const expected = Array.from({ length: CONNECTIONS }, (_, index) => index + 1);
    expect(answers.map(Number).sort((a, b) => a - b)).toEqual(expected);
  });

  it(`carries ${CONNECTIONS} short connections between machines, each answered once`, async () => {
    expect(await ask(`http://${MACHINE}/`)).toEqual(Array.from({ length: CONNECTIONS }, () => "served"));
  });
});
