import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { EgressPolicy, GatewayMachine } from "@isthmus/contract";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Life } from "./host-program.fixture.ts";

/** A namespace that plays the host, with two addresses of its own; daemons' parts for networks live in it. */
const tag = `${process.pid}-${Math.random().toString(36).slice(2, 6)}`;
const host = `in-host-${tag}`;
const folder = mkdtempSync(join(tmpdir(), "isthmus-networks-"));
const [own, others] = ["own", "others"].map((name) => ({ home: join(folder, name), runFolder: join(folder, name, "run") })) as [Home, Home];
type Home = Pick<Life, "home" | "runFolder">;
const HOST = "203.0.113.1";
const HOST6 = "2001:db8:113::1";

const out = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: "utf8" });
const enter = (namespace: string) => [`--net=/run/netns/${namespace}`, "--"];
const inHost = (...words: string[]) => out("nsenter", ...enter(host), ...words);
const life = (whose: Home, what: Omit<Life, "home" | "runFolder">) =>
  JSON.parse(inHost(process.execPath, join(import.meta.dirname, "host-program.fixture.ts"), JSON.stringify({ ...whose, ...what })));
const pidsIn = (namespace: string) => out("ip", "netns", "pids", namespace).split("\n").filter(Boolean).map(Number);
/** The only process in a namespace, its gateway; what that starts to look at its rules is there for a moment at a time. */
const gatewayIn = (namespace: string) =>
  vi.waitFor(
    () => {
      const pids = pidsIn(namespace);
      expect(pids).toHaveLength(1);
      return pids[0];
    },
    { timeout: 30_000 },
  );
/** One that has ended may be there without words until its parent has looked. */
const isGateway = (pid = 0) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("gateway.sock");
  } catch {
    return false;
  }
};
const things = () =>
  [inHost("ip", "-o", "link"), inHost("nft", "list", "tables")].map(
    (text) => [...text.matchAll(/\b(?:ist|isthmus_)([0-9a-f]{8})/g)].length,
  );

const machine = (name: string, number: number, egress: EgressPolicy): GatewayMachine => ({
  id: `00000000000000${number}`,
  name,
  aliases: [],
  tap: `tap${name}`,
  mac: `02:00:00:00:00:${number}`,
  v4: `10.40.0.${number}`,
  v6: `fd40::${number}`,
  egress,
});
const made: string[] = [host];

beforeAll(async () => {
  out("ip", "netns", "add", host);
  for (const line of [
    "link set lo up",
    "link add eth0 type veth peer name eth1",
    `addr add ${HOST}/24 dev eth0`,
    `addr add ${HOST6}/64 dev eth0 nodad`,
    "link set eth0 up",
    "link set eth1 up",
  ])
    out("ip", "-n", host, ...line.split(" "));
  const serve = `let left = 2; for (const p of [80, 81])
    require("net").createServer((s) => s.end("host")).listen(p, "::", () => --left || console.log("ready"))`;
  server = spawn("nsenter", [...enter(host), process.execPath, "-e", serve], { stdio: ["ignore", "pipe", "inherit"] });
  await once(server.stdout ?? server, "data");
});
let server: ReturnType<typeof spawn>;
afterAll(() => {
  for (const whose of [own, others]) life(whose, { remove: ["web", "more"] });
  server?.kill();
  for (const name of made) out("ip", "netns", "del", name);
  rmSync(folder, { recursive: true, force: true });
});

/** Puts a namespace that plays the machine on the network. */
function plug(namespace: string, { name, tap, mac, v4, v6 = "" }: GatewayMachine): string {
  const guest = `in-${name}-${tag}`;
  out("ip", "netns", "add", guest);
  made.push(guest);
  for (const line of [`link add ${tap} type veth peer name eth0 netns ${guest}`, `link set ${tap} master br0 up`])
    out("ip", "-n", namespace, ...line.split(" "));
  for (const line of [
    `link set eth0 address ${mac}`,
    `addr add ${v4}/24 dev eth0`,
    `addr add ${v6}/64 dev eth0 nodad`,
    "link set eth0 up",
    "route add default via 10.40.0.1",
    "route add ::/0 via fd40::1",
  ])
    out("ip", "-n", guest, ...line.split(" "));
  return guest;
}

/** Which of the host's ports a machine reaches. */
function reached(guest: string): readonly string[] {
  const ask = `const net = require("net"); for (const h of ["${HOST}", "${HOST6}"]) for (const p of [80, 81]) {
    const s = net.connect({ host: h, port: p, timeout: 10_000 });
    s.on("data", () => console.log(h + " " + p)).on("error", () => {}).on("timeout", () => s.destroy()); }`;
  return out("nsenter", ...enter(guest), process.execPath, "-e", ask)
    .split("\n")
    .filter(Boolean)
    .sort();
}

it("let a machine reach what its policy names of the host, and nothing else nor any other machine", () => {
  const some = machine("some", 21, {
    default: "closed",
    allow: [
      { cidr: HOST, ports: [80] },
      { cidr: HOST6, protocol: "any" },
    ],
  });
  const wide = machine("wide", 22, { default: "open", allow: [{ cidr: "203.0.113.0/24" }] });
  const web = { network: "web", subnet: "10.40.0.0/24" };
  const namespace = life(own, { apply: { ...web, machines: [] } });
  const guests = [some, wide].map((one) => plug(namespace, one));
  life(own, { apply: { ...web, machines: [some, wide] } });
  expect(guests.map(reached)).toEqual([[`${HOST6} 80`, `${HOST6} 81`, `${HOST} 80`], []]);
  life(own, {
    apply: {
      ...web,
      machines: [
        { ...some, egress: { default: "open" } },
        { ...wide, egress: { default: "open", allow: [{ cidr: HOST, ports: [{ first: 81, last: 90 }, 85] }] } },
      ],
    },
  });
  expect(guests.map(reached)).toEqual([[], [`${HOST} 81`]]);
  life(own, { remove: ["web"] });
  expect([things(), existsSync(`/run/netns/${namespace}`)]).toEqual([[0, 0], false]);
}, 120_000);

it("are found without their files, gateway and all, and those of another daemon are not", async () => {
  const web = { network: "web", subnet: "10.40.0.0/24", machines: [] };
  const [mine, theirs] = [own, others].map((whose) => life(whose, { apply: web }));
  life(own, { apply: { ...web, network: "more", subnet: "10.41.0.0/24" } });
  const before = { mine: await gatewayIn(mine), theirs: await gatewayIn(theirs) };
  rmSync(own.runFolder, { recursive: true });
  expect(life(own, { left: true }).sort()).toEqual(["more", "web"]);
  life(own, { remove: ["web", "more"] });
  expect([existsSync(`/run/netns/${mine}`), isGateway(before.mine)]).toEqual([false, false]);
  expect(await gatewayIn(theirs)).toBe(before.theirs);
  expect([things(), life(own, { left: true }), life(others, { left: true })]).toEqual([[1, 1], [], ["web"]]);
});

it("go on with a new gateway when their files are gone", async () => {
  const web = { network: "web", subnet: "10.40.0.0/24", machines: [] };
  const namespace = life(own, { apply: web });
  const before = await gatewayIn(namespace);
  rmSync(own.runFolder, { recursive: true });
  life(own, { apply: web });
  expect(isGateway(before)).toBe(false);
  const after = await gatewayIn(namespace);
  expect(readFileSync(`/proc/${after}/cmdline`, "utf8")).toContain(own.runFolder);
});

it("are found by the host's end or the table alone", () => {
  const namespace = life(own, { apply: { network: "web", subnet: "10.40.0.0/24", machines: [] } });
  for (const pid of pidsIn(namespace).filter(isGateway)) process.kill(pid, "SIGKILL");
  out("ip", "netns", "del", namespace);
  rmSync(own.runFolder, { recursive: true });
  expect(life(own, { left: true })).toEqual(["web"]);
  life(own, { remove: ["web"] });
  expect([things(), life(own, { left: true })]).toEqual([[1, 1], []]);
});
