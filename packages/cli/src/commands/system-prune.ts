import { createInterface } from "node:readline/promises";
import { formatBytes, hasCode, limits, type Machine } from "@isthmus/contract";
import type { Isthmus } from "@isthmus/sdk";
import { Command } from "commander";
import { exitCodes } from "../config.ts";
import type { Context } from "../context.ts";
import { gather, settleAll } from "../each.ts";
import { reportFailure, usage } from "../failure.ts";
import { collect, examples } from "../help.ts";
import { type PruneFilters, pruneFilters } from "../parse/filters.ts";
import { escapeControls } from "../terminal/escape.ts";

interface PruneOptions {
  readonly all?: boolean;
  readonly volumes?: boolean;
  readonly force?: boolean;
  readonly filter?: readonly string[];
}

interface Pruned {
  readonly machines: readonly string[];
  readonly volumes: readonly string[];
  readonly images: readonly string[];
  readonly templates: readonly string[];
  readonly freedBytes: number;
}

export function systemPrune(context: Context): Command {
  return new Command("prune")
    .description("Remove machines that have ended, images without a name and templates that failed; snapshots and suspended machines stay.")
    .option("-a, --all", "all images and templates that nothing uses, too")
    .option("--volumes", "anonymous volumes that no machine names, too")
    .option("--filter <key=value>", "machines only, those: until=DURATION|TIME (ended before), label=KEY[=VALUE] (repeatable)", collect)
    .option("-f, --force", "do not ask")
    .addHelpText(
      "after",
      examples([["isthmus system prune"], ["isthmus system prune -af --volumes"], ["isthmus system prune -f --filter until=24h"]]),
    )
    .action(async (options: PruneOptions) => {
      const filters = pruneFilters(options.filter ?? []);
      if (!options.force && !(await agreed(context, options))) return;
      const isthmus = await context.client();
      const pruned = await prune(context, isthmus, options, filters);
      if (context.json) return context.printJson(pruned);
      const kinds = ["machines", "volumes", "images", "templates"] as const;
      const lines = kinds.flatMap((kind) => pruned[kind].map((one) => `${kind.slice(0, -1)} ${escapeControls(one)}\n`));
      await context.print(`${lines.join("")}Freed: ${formatBytes(pruned.freedBytes)}\n`);
    });
}

async function agreed(context: Context, { all, volumes, filter }: PruneOptions): Promise<boolean> {
  const { stdin, stderr } = context.world;
  if (!stdin.isTTY) throw usage(context, "nobody is there to be asked; use --force");
  const kinds = filter?.length
    ? "machines that have ended and that the filter names"
    : [
        "machines that have ended",
        all ? "all images and templates without use" : "images without a name",
        ...(volumes ? ["anonymous volumes without use"] : []),
      ].join(", ");
  const lines = createInterface({ input: stdin, output: stderr });
  // A question that is left by Ctrl-D fails or is never answered, as the Node is. What was answered in the same moment counts.
  const left = new Promise<string>((resolve) => lines.once("close", () => setImmediate(resolve, "")));
  lines.once("SIGINT", () => {
    context.exitCode = exitCodes.interrupted;
    stderr.write("\n");
    lines.close();
  });
  try {
    const answer = lines.question(`This removes ${kinds}. Go on? [y/N] `).catch(() => "");
    return /^y(es)?$/i.test((await Promise.race([answer, left])).trim());
  } finally {
    lines.close();
  }
}

async function prune(context: Context, isthmus: Isthmus, { all, volumes, filter }: PruneOptions, filters: PruneFilters): Promise<Pruned> {
  const [machines, machineBytes] = await pruneMachines(context, isthmus, filters);
  if (filter?.length) return { machines, volumes: [], images: [], templates: [], freedBytes: machineBytes };
  const gone = volumes ? await isthmus.volumes.prune() : [];
  // A template holds on to nothing, an image may be a snapshot's.
  const templates = await isthmus.templates.prune({ unusedMs: all ? 0 : FAILED_ONLY_MS });
  const images = await isthmus.images.prune({ all });
  const bytes = [...gone.map(({ usedBytes }) => usedBytes), ...templates.map(({ sizeBytes }) => sizeBytes)];
  return {
    machines,
    volumes: gone.map(({ name }) => name),
    images: images.deleted.map(({ tags, digest }) => tags[0] ?? digest),
    templates: templates.map(({ key }) => key),
    freedBytes: bytes.reduce((sum, one) => sum + one, machineBytes + images.freedBytes),
  };
}

/** Unused for longer than any is kept: only those go that failed. */
const FAILED_ONLY_MS = limits.ttlMaxMs;

async function pruneMachines(context: Context, isthmus: Isthmus, { untilMs, labels }: PruneFilters): Promise<[string[], number]> {
  const { machines: sizes } = await isthmus.host.storage();
  const sizeOf = new Map(sizes.map(({ id, sizeBytes }) => [id, sizeBytes]));
  const ended = await gather(isthmus.machines.list({ states: ["exited", "failed", "refused", "requested"], labels }));
  const doomed = ended.filter((machine) => machine.restartsAt === undefined && endedBefore(machine, untilMs));
  const results = await settleAll(doomed, ({ id }) => isthmus.machines.remove(id));
  const names: string[] = [];
  let bytes = 0;
  for (const [index, result] of results.entries()) {
    const machine = doomed[index];
    if (machine === undefined) continue;
    if (result.status === "fulfilled") {
      names.push(machine.name);
      bytes += sizeOf.get(machine.id) ?? 0;
      // Somebody else removed it, or started it again.
    } else if (!hasCode(result.reason, "MACHINE_NOT_FOUND", "STATE_CONFLICT")) context.exitCode ||= reportFailure(context, result.reason);
  }
  return [names, bytes];
}

function endedBefore({ finishedAt, createdAt }: Machine, untilMs: number | undefined): boolean {
  return untilMs === undefined || Date.parse(finishedAt ?? createdAt) < untilMs;
}
