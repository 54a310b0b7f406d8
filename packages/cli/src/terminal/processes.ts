import { formatBytes, type MachineProcess } from "@isthmus/contract";
import { COMMAND_LINE_CHARS } from "../config.ts";
import { escapeControls } from "./escape.ts";
import { renderTable } from "./table.ts";
import { truncate } from "./width.ts";

/** As `docker top` shows them. */
export function processTable(processes: readonly MachineProcess[]): string {
  const rows = processes.map(({ uid, pid, parent, rssBytes, startedAt, cpuMs, command }) => [
    String(uid),
    String(pid),
    String(parent),
    formatBytes(rssBytes),
    startedAt.slice(0, 19).replace("T", " "),
    timeText(cpuMs),
    truncate(escapeControls(command), COMMAND_LINE_CHARS),
  ]);
  return renderTable(["UID", "PID", "PPID", "MEMORY", "STARTED (UTC)", "TIME", "COMMAND"], rows, {
    right: ["PID", "PPID", "MEMORY", "TIME"],
  });
}

/** `1:02:03`, hours as many as there are. */
function timeText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
