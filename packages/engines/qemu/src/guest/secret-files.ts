import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type AgentSession, getArchive, putArchive } from "@isthmus/agent-client";
import { hasCode } from "@isthmus/contract";
import type { Delivery, StartPlan } from "@isthmus/core";

/** of tar, POSIX.1-1988 */
const BLOCK_BYTES = 512;
const SECRETS_FOLDER = "/run/secrets";
/** its owner may read it */
const SECRET_MODE = 0o400;

interface Entry {
  /** below the folder that the archive is unpacked in */
  readonly name: string;
  readonly uid: number;
  readonly bytes: Buffer;
  /** of a symbolic link */
  readonly target?: string;
}

/** Files for the workload's user alone, in memory of the guest; where another path is asked for there is a link to them. */
export async function putSecrets(session: AgentSession, plan: StartPlan, files: Delivery["files"]): Promise<void> {
  if (files.length === 0) return;
  const uid = await uidOf(session, plan.workload.user);
  const held = files.map(({ name, bytes }) => ({ name, uid, bytes }));
  await putArchive(session, SECRETS_FOLDER, Readable.from([tarOf(held)]));
  const links = files.flatMap(({ name, path }) =>
    path === undefined || path === `${SECRETS_FOLDER}/${name}`
      ? []
      : [{ name: path.slice(1), uid: 0, bytes: Buffer.alloc(0), target: `${SECRETS_FOLDER}/${name}` }],
  );
  if (links.length > 0) await putArchive(session, "/", Readable.from([tarOf(links)]));
}

/** The number of the user in `name`, `uid`, `name:group` or `uid:gid`; root's when it is in no list: such a workload does not start anyway. */
async function uidOf(session: AgentSession, user: string): Promise<number> {
  const [name = ""] = user.split(":", 1);
  if (name === "" || /^\d+$/.test(name)) return Number(name);
  try {
    const archive = await buffer(await getArchive(session, "/etc/passwd"));
    const lines = archive.subarray(BLOCK_BYTES).toString("utf8").split("\n");
    return Number(lines.map((line) => line.split(":")).find(([known]) => known === name)?.[2] ?? 0);
  } catch (cause) {
    if (hasCode(cause, "PATH_NOT_FOUND")) return 0;
    throw cause;
  }
}

/** A tar archive in the form that the agent's reader takes. */
export function tarOf(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap((entry) => [...longName(entry), header(entry), padded(entry.bytes)]);
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK_BYTES)]);
}

/** GNU's extension: a path that does not fit the header comes before it. */
function longName({ name }: Entry): Buffer[] {
  const bytes = Buffer.from(`${name}\0`);
  if (bytes.length <= 100) return [];
  return [header({ name: "././@LongLink", uid: 0, bytes }, "L"), padded(bytes)];
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((BLOCK_BYTES - (bytes.length % BLOCK_BYTES)) % BLOCK_BYTES)]);
}

function header({ name, uid, bytes, target }: Entry, type = target === undefined ? "0" : "2"): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, length: number) => block.write(value.toString(8).padStart(length - 1, "0"), at);
  block.write(name, 0, 100);
  octal(target === undefined ? SECRET_MODE : 0o777, 100, 8);
  octal(uid, 108, 8);
  octal(0, 116, 8);
  octal(bytes.length, 124, 12);
  octal(0, 136, 12);
  block.write("        ", 148);
  block.write(type, 156);
  if (target !== undefined) block.write(target, 157, 100);
  block.write("ustar  \0", 257);
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}
