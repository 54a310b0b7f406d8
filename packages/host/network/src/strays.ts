import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { run } from "./commands.ts";
import { NAMESPACES } from "./config.ts";
import { markedBy, type namesOf, TABLE_PREFIX, UPLINK_PREFIX } from "./names.ts";

/** Names of networks of this home that are here: by their folders, and by the marks of namespaces, devices and tables whose folders are gone. Others' are not among them. */
export async function leftOf(home: string, folder: string): Promise<readonly string[]> {
  const marks = [...(await namespaceMarks()), ...(await uplinkMarks()), ...(await tableMarks())];
  const marked = marks.flatMap((mark) => markedBy(home, mark) ?? []);
  // The place of machines that are on no network has no name.
  return [...new Set([...namedIn(folder), ...marked])].filter(Boolean);
}

function namedIn(folder: string): readonly string[] {
  return entries(folder).flatMap((tag) => {
    try {
      return readFileSync(join(folder, tag, "name"), "utf8");
    } catch {
      return [];
    }
  });
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function namespaceMarks(): Promise<readonly string[]> {
  const marks: string[] = [];
  for (const name of entries(NAMESPACES).filter((one) => one.startsWith("isthmus-")))
    marks.push(...aliases(await said("ip", ["-n", name, "-o", "link", "show", "lo"])));
  return marks;
}

async function uplinkMarks(): Promise<readonly string[]> {
  const lines = (await said("ip", ["-o", "link", "show"])).split("\n");
  return aliases(lines.filter((line) => line.includes(`: ${UPLINK_PREFIX}`)).join("\n"));
}

async function tableMarks(): Promise<readonly string[]> {
  const tables = [...(await said("nft", ["list", "tables", "inet"])).matchAll(/table inet (\S+)/g)].flatMap(([, name]) => name ?? []);
  const marks: string[] = [];
  for (const table of tables.filter((one) => one.startsWith(TABLE_PREFIX)))
    marks.push(...(/comment "([^"]+)"/.exec(await said("nft", ["list", "table", "inet", table]))?.slice(1) ?? []));
  return marks;
}

function aliases(text: string): readonly string[] {
  return [...text.matchAll(/\balias (\S+)/g)].flatMap(([, mark]) => mark ?? []);
}

/** What another daemon takes away meanwhile is nothing. */
async function said(program: string, args: readonly string[]): Promise<string> {
  return await run(program, args).catch(() => "");
}

/** Whether the host has a part of a network that has no namespace any more. */
export async function hasHostPart({ uplink, table }: ReturnType<typeof namesOf>): Promise<boolean> {
  const found = await Promise.all([said("ip", ["-o", "link", "show", uplink]), said("nft", ["list", "table", "inet", table])]);
  return found.some((text) => text !== "");
}

/** Ends gateways of a namespace that no socket leads to any more: they would keep it, and its ports. */
export async function endGateways(namespace: string): Promise<void> {
  const pids = (await said("ip", ["netns", "pids", namespace])).split("\n").filter(Boolean).map(Number);
  for (const pid of pids) {
    if (!(await isGateway(pid))) continue;
    endNow(pid);
    while (await isGateway(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function isGateway(pid: number): Promise<boolean> {
  const words = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
  return words[words.indexOf("--socket") + 1]?.endsWith("/gateway.sock") === true && words.includes("--socket");
}

/** Ends a process at once. One that has ended by itself meanwhile is no fault. */
function endNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
