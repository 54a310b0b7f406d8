import { setTimeout as sleep } from "node:timers/promises";
import { formatBytes, type HostPressure } from "@isthmus/contract";
import type { Isthmus } from "@isthmus/sdk";
import { Command } from "commander";
import { SHORT_ID_CHARS, TOP_INTERVAL_MS } from "../config.ts";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { processTable } from "../terminal/processes.ts";
import { Screen } from "../terminal/screen.ts";
import { renderPairs, renderTable } from "../terminal/table.ts";

export function top(context: Context): Command {
  return new Command("top")
    .description(
      "Show the host, its pressure, and what each machine costs it, the costliest first, again and again. CPU % is of one processor of the host.",
    )
    .argument("[machine]", "show the processes of this machine instead, once")
    .option("--once", "once, not again and again")
    .addHelpText(
      "after",
      examples([
        ["isthmus top"],
        ["isthmus top --once"],
        ["isthmus top web", "what runs in web"],
        ["isthmus top --json", "a line for each sample"],
      ]),
    )
    .action(async (ref: string | undefined, options: { readonly once?: boolean; readonly json?: boolean }) => {
      const isthmus = await context.client();
      if (ref !== undefined) {
        const processes = await isthmus.machines.handle(ref).processes();
        return options.json ? context.printJson(processes) : context.print(processTable(processes));
      }
      if (options.once) {
        const report = await isthmus.host.pressure();
        return options.json ? context.printJson(report) : context.print(topView(report));
      }
      await follow(context, isthmus, options.json === true);
    });
}

/** Until Ctrl-C, which is how it is left. */
async function follow(context: Context, isthmus: Isthmus, json: boolean): Promise<void> {
  const over = new AbortController();
  const unhook = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => context.world.onSignal(name, () => over.abort()));
  const { stdout } = context.world;
  const screen = stdout.isTTY && !json ? new Screen(stdout) : undefined;
  try {
    while (!over.signal.aborted) {
      const report = await isthmus.host.pressure({ signal: over.signal });
      if (json) await context.printJsonLine(report);
      else await (screen?.draw(topView(report)) ?? context.print(`${topView(report)}\n`));
      await sleep(TOP_INTERVAL_MS, undefined, { signal: over.signal });
    }
  } catch (error) {
    if (!over.signal.aborted) throw error;
  } finally {
    screen?.leave();
    for (const off of unhook) off();
  }
}

export function topView(report: HostPressure): string {
  const { facts, pressed, measures, watching, machines } = report;
  const { pressure, cpus, memoryAvailableBytes, memoryTotalBytes, diskFreeBytes, processesLeft, descriptorsLeft } = facts;
  const head = renderPairs([
    [
      "host",
      `${cpus} CPUs, memory ${formatBytes(memoryAvailableBytes)} of ${formatBytes(memoryTotalBytes)} available, disk ${formatBytes(diskFreeBytes)} free`,
    ],
    ["left", `${processesLeft} processes, ${descriptorsLeft} open files`],
    ["measures", watching ? measures.join(", ") || "none" : "switched off"],
  ]);
  const stalls = (["cpu", "memory", "io"] as const).map((kind) => {
    const { some10 = 0, some60 = 0, full10 = 0, full60 = 0 } = pressure?.[kind] ?? {};
    return [kind, ...[some10, some60, full10, full60].map((value) => value.toFixed(1)), pressed.includes(kind) ? "pressed" : ""];
  });
  const headings = [
    pressure?.source === "load" ? "PRESSURE (estimated)" : "PRESSURE",
    "SOME 10 s %",
    "SOME 60 s %",
    "FULL 10 s %",
    "FULL 60 s %",
    "",
  ];
  return `${head}\n${renderTable(headings, stalls, { right: headings.slice(1, 5) })}\n${machineTable(machines)}`;
}

function machineTable(machines: HostPressure["machines"]): string {
  const rows = machines.map((one) => [
    one.id.slice(0, SHORT_ID_CHARS),
    one.name,
    (one.cpuPart * 100).toFixed(1),
    formatBytes(one.memoryBytes),
    `${formatBytes(Math.round(one.readBytesPerSecond))}/s`,
    `${formatBytes(Math.round(one.writeBytesPerSecond))}/s`,
    one.operationsPerSecond.toFixed(0),
  ]);
  const headings = ["ID", "NAME", "CPU %", "HOST MEMORY", "DISK READ", "DISK WRITTEN", "OPERATIONS/s"];
  return renderTable(headings, rows, { right: ["CPU %", "HOST MEMORY", "DISK READ", "DISK WRITTEN", "OPERATIONS/s"] });
}
