import type { FileChange, MachineProcess } from "@isthmus/contract";
import { violation } from "./frames.ts";

const FIGURES = /^(\d{1,10}) (\d{1,10}) (\d{1,10}) (\d{1,16}) (\d{1,13}) (\d{1,14}) (\d{1,4})$/;

/** What the guest's task `processes` prints: for each a line of figures, then as many bytes of its command and a line feed. Throws AGENT_PROTOCOL. */
export function readProcesses(said: Buffer): readonly MachineProcess[] {
  const processes: MachineProcess[] = [];
  for (let at = 0; at < said.length; ) {
    const end = said.indexOf(10, at);
    const figures = FIGURES.exec(said.toString("latin1", at, end === -1 ? said.length : end));
    if (figures === null) throw violation("a line of figures of a process is none");
    const [pid = 0, parent = 0, uid = 0, rssBytes = 0, cpuMs = 0, startedMs = 0, bytes = 0] = figures.slice(1).map(Number);
    at = end + 1 + bytes;
    if (said[at] !== 10) throw violation("the command of a process is cut short");
    const command = said.toString("utf8", end + 1, at);
    at += 1;
    processes.push({ pid, parent, uid, rssBytes, cpuMs, startedAt: new Date(startedMs).toISOString(), command });
  }
  return processes.toSorted((a, b) => a.pid - b.pid);
}

/** What the guest's task `changes` prints: letter, absolute path and NUL for each. Throws AGENT_PROTOCOL. */
export function readChanges(said: Buffer): readonly FileChange[] {
  const entries = said.toString("utf8").split("\0");
  if (entries.pop() !== "") throw violation("the last change is cut short");
  const changes = entries.map((entry): FileChange => {
    const [kind, path] = [entry[0], entry.slice(1)];
    if ((kind !== "A" && kind !== "C" && kind !== "D") || !path.startsWith("/")) throw violation("a change is none");
    return { kind, path };
  });
  return changes.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}
