import { lstatSync, mkdirSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { join, parse, sep } from "node:path";
import process from "node:process";
import { IsthmusError } from "@isthmus/contract";

/** what the kernel follows at most (path_resolution(7)) */
const LINKS_MAX = 40;
const ROOT_UID = 0;
/** who owns what belongs to nobody of this namespace of users (user_namespaces(7)) */
const OVERFLOW_UID = 65_534;
const [GROUP_WRITES, OTHERS_WRITE, STICKY] = [0o020, 0o002, 0o1000];

/**
 * Makes `folder`, and holds that nobody but root and this user can put another in its place: neither it nor what it lies in, links included, is theirs or
 * writable for them, but for sticky folders such as /tmp, where only owners rename. It is sshd's rule (StrictModes, sshd_config(5)). What is below is
 * this user's alone then, and need not be looked at again with each use. Throws LOCAL_FILE.
 */
export function makeTrustedFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw unusable(folder, cause instanceof Error ? cause.message : String(cause), cause);
  }
  checkTrusted(folder);
}

function checkTrusted(folder: string): void {
  const rest = folder.split(sep).filter((part) => part !== "");
  let [at, links] = [parse(folder).root, 0];
  for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
    const next = join(at, part);
    const found = lstatSync(next, { throwIfNoEntry: false });
    if (!found) throw unusable(folder, `${next} was removed meanwhile`);
    if (!owners().has(found.uid)) throw unusable(folder, `${next} belongs to user ${found.uid}, who could put another in its place`);
    if (found.isSymbolicLink()) {
      links += 1;
      if (links > LINKS_MAX) throw unusable(folder, `there are more than ${LINKS_MAX} links on the way`);
      const target = readlinkSync(next);
      if (target.startsWith(sep)) at = sep;
      rest.unshift(...target.split(sep).filter((piece) => piece !== "" && piece !== "."));
      continue;
    }
    if (!found.isDirectory()) throw unusable(folder, `${next} is not a folder`);
    if (othersWrite(found) && (rest.length === 0 || (found.mode & STICKY) === 0)) {
      throw unusable(folder, `${next} is writable for others (mode ${(found.mode & 0o7777).toString(8)}); run: chmod go-w ${next}`);
    }
    at = next;
  }
}

/** A group that is the user's own is no other. */
function othersWrite({ mode, gid }: Stats): boolean {
  return (mode & OTHERS_WRITE) !== 0 || ((mode & GROUP_WRITES) !== 0 && gid !== process.getgid?.());
}

let trusted: ReadonlySet<number> | undefined;

function owners(): ReadonlySet<number> {
  trusted ??= new Set([ROOT_UID, process.getuid?.() ?? ROOT_UID, ...(mapsAllUsers() ? [] : [OVERFLOW_UID])]);
  return trusted;
}

function mapsAllUsers(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
}

function unusable(path: string, reason: string, cause?: unknown): IsthmusError {
  return new IsthmusError("LOCAL_FILE", { path, reason }, { cause });
}
