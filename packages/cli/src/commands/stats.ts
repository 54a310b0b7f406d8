import { setTimeout as sleep } from "node:timers/promises";
import { formatBytes, hasCode, type MachineStats } from "@isthmus/contract";
import type { Isthmus } from "@isthmus/sdk";
import { Command } from "commander";
import { SHORT_ID_CHARS, STATS_INTERVAL_MS } from "../config.ts";
import type { Context } from "../context.ts";
import { gather, settleAll } from "../each.ts";
import { examples } from "../help.ts";
import { renderTable } from "../terminal/table.ts";

interface StatsOptions {
  readonly stream: boolean;
  readonly json?: boolean;
}

const HOME_AND_CLEAR = "\u001b[H\u001b[2J";

export function stats(context: Context): Command {
  return new Command("stats")
    .description("Show what machines use; without names, all that run. CPU % is of one processor of the guest.")
    .argument("[machine...]", "id, name or beginning of an id")
    .option("--no-stream", "once, not again and again")
    .addHelpText(
      "after",
      examples([["isthmus stats"], ["isthmus stats --no-stream web db"], ["isthmus stats --json", "a line for each sample"]]),
    )
    .action(async (refs: string[], options: StatsOptions) => {
      const isthmus = await context.client();
      let before = await sample(isthmus, refs);
      if (options.json && !options.stream) return context.printJson(before);
      for (;;) {
        if (options.json) for (const one of before) await context.printJsonLine(one);
        await sleep(STATS_INTERVAL_MS);
        const now = await sample(isthmus, refs);
        if (!options.json) {
          const table = statsTable(before, now);
          await context.print(options.stream && context.world.stdout.isTTY ? HOME_AND_CLEAR + table : table);
          if (!options.stream) return;
        }
        if (refs.length > 0 && now.length === 0) return;
        before = now;
      }
    });
}

/** One sample of each machine; one that ended meanwhile is left out, one that does not exist is an error. */
async function sample(isthmus: Isthmus, refs: readonly string[]): Promise<readonly MachineStats[]> {
  const wanted = refs.length > 0 ? refs : await running(isthmus);
  const results = await settleAll(wanted, (ref) => isthmus.machines.handle(ref).stats());
  return results.flatMap((result) => {
    if (result.status === "fulfilled") return [result.value];
    if (hasCode(result.reason, "STATE_CONFLICT") || (refs.length === 0 && hasCode(result.reason, "MACHINE_NOT_FOUND"))) return [];
    throw result.reason;
  });
}

async function running(isthmus: Isthmus): Promise<readonly string[]> {
  const machines = await gather(isthmus.machines.list({ states: ["running", "paused"] }));
  return machines.map(({ id }) => id);
}

function cpuPercent(before: MachineStats | undefined, now: MachineStats): string {
  if (!before || now.uptimeMs <= before.uptimeMs) return "0.0 %";
  const part = (now.cpuMs - before.cpuMs) / (now.uptimeMs - before.uptimeMs);
  return `${(100 * Math.max(0, part)).toFixed(1)} %`;
}

export function statsTable(before: readonly MachineStats[], now: readonly MachineStats[]): string {
  const earlier = new Map(before.map((one) => [one.id, one]));
  const rows = now.map((one) => {
    const used = one.memory.totalBytes - one.memory.availableBytes;
    return [
      one.id.slice(0, SHORT_ID_CHARS),
      one.name,
      cpuPercent(earlier.get(one.id), one),
      `${formatBytes(used)} / ${formatBytes(one.memory.totalBytes)}`,
      formatBytes(one.hostRssBytes),
      `${formatBytes(one.net.rxBytes)} / ${formatBytes(one.net.txBytes)}`,
      `${formatBytes(one.disk.readBytes)} / ${formatBytes(one.disk.writtenBytes)}`,
      one.processes,
    ];
  });
  const headings = ["ID", "NAME", "CPU %", "MEMORY / LIMIT", "HOST RSS", "NET IN / OUT", "DISK READ / WRITTEN", "PROCESSES"];
  return renderTable(headings, rows, { right: ["CPU %", "PROCESSES"] });
}
